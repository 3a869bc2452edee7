package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"homellm/engine/sim"
)

// oddServer is a program for the scripts: oddserver ADDRESS WAY... serves the simulator as a server that no table
// knows, with only the two paths that every OpenAI-compatible server has, in ways that servers at home have.
func oddServer() {
	if err := serveOddly(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveOddly(address string, ways []string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	is := func(way string) bool { return slices.Contains(ways, way) }
	if is("closes") { // a proxy whose backend is down
		for {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			_ = conn.Close()
		}
	}
	models := []string{"m"}
	for _, way := range ways {
		if name, ok := strings.CutPrefix(way, "model="); ok {
			models = append(models, name)
		}
	}
	if len(models) > 1 {
		models = models[1:]
	}
	config := sim.Config{ServedNames: models, Seed: 1,
		NoCachedUsage: is("silent"), NoPrefixCache: is("silent")}
	if is("keyed") {
		config.APIKey = "correct-horse-battery"
	}
	inner, err := sim.New(config)
	if err != nil {
		return err
	}
	hs := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		odd := plainly{w}
		switch {
		case is("slow") && r.Method == http.MethodGet:
			time.Sleep(1100 * time.Millisecond)
			fallthrough
		default:
			answerOddly(odd, r, inner, models, is)
		}
	})}
	if is("http2") {
		hs.Protocols = new(http.Protocols)
		hs.Protocols.SetUnencryptedHTTP2(true)
	}
	return hs.Serve(l)
}

func answerOddly(w http.ResponseWriter, r *http.Request, inner http.Handler, models []string,
	is func(string) bool) {
	say := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	switch {
	case is("forbidden"):
		say(http.StatusForbidden, `{"error": {"message": "this key may not do that"}}`)
	case is("broken"):
		say(http.StatusInternalServerError, `{"error": {"message": "the weights are on fire"}}`)
	case is("keyed") && r.Header.Get("Authorization") != "Bearer correct-horse-battery":
		say(http.StatusUnauthorized, `{"error": "Unauthorized"}`)
	case r.URL.Path == "/v1/models":
		var list []string
		for _, m := range models {
			list = append(list, fmt.Sprintf(`{"id": %q, "object": "model"}`, m))
		}
		say(http.StatusOK, `{"object": "list", "data": [`+strings.Join(list, ",")+`]}`)
	case strings.HasPrefix(r.URL.Path, "/v1/chat/"):
		if is("uncounted") {
			w = uncounted{w}
		}
		inner.ServeHTTP(w, r)
	default:
		say(http.StatusNotFound, `{"error": {"message": "Not Found"}}`)
	}
}

// plainly leaves out by what the simulator is known.
type plainly struct{ http.ResponseWriter }

func (w plainly) WriteHeader(status int) {
	w.Header().Set("Server", "odd")
	w.ResponseWriter.WriteHeader(status)
}

func (w plainly) Write(p []byte) (int, error) {
	w.Header().Set("Server", "odd")
	return w.ResponseWriter.Write(p)
}

func (w plainly) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w plainly) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// uncounted leaves the token counts out of every event.
type uncounted struct{ http.ResponseWriter }

func (w uncounted) Write(p []byte) (int, error) {
	var out strings.Builder
	for event := range strings.SplitAfterSeq(string(p), "\n\n") {
		var body map[string]any
		data, ok := strings.CutPrefix(strings.TrimSpace(event), "data: ")
		if !ok || json.Unmarshal([]byte(data), &body) != nil {
			out.WriteString(event)
			continue
		}
		delete(body, "usage")
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(&out, "data: %s\n\n", raw)
	}
	_, err := io.WriteString(w.ResponseWriter, out.String())
	return len(p), err
}

func (w uncounted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w uncounted) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }
