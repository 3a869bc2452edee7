package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"homellm/engine/sim"
)

// doctorOf returns what doctor prints about a server.
func doctorOf(t *testing.T, address string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	p := process{stdout: &out, stderr: &out, getenv: func(string) string { return "" }, stateDir: t.TempDir()}
	root := newRoot(p)
	root.SetArgs(append([]string{"doctor", "--url", address}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

// sound reports whether doctor found no problem except perhaps a nearly full disk of this machine.
func sound(printed string) bool {
	_, problems, found := strings.Cut(printed, "\nwhat to do\n")
	if !found {
		return strings.Contains(printed, "no problems found")
	}
	for line := range strings.Lines(problems) {
		if text, ok := strings.CutPrefix(line, "  "); ok && !strings.HasPrefix(text, " ") &&
			!strings.Contains(text, "less than 10 GiB are free for") {
			return false
		}
	}
	return true
}

// A cache test whose request fails is a problem that doctor names, with the command to type next.
func TestDoctor_FailedCacheTest(t *testing.T) {
	s, err := sim.New(sim.Config{Speed: 100, ServedNames: []string{"m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for fails, want := range map[int64]string{
		0: "cache test    proven",
		3: "the cache test of ",
	} {
		var completions atomic.Int64
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/chat/completions") && completions.Add(1) == fails {
				http.Error(w, "out of memory", http.StatusInternalServerError)
				return
			}
			s.ServeHTTP(w, r)
		}))
		out := doctorOf(t, front.URL)
		front.Close()
		failed := fails > 0
		if !strings.Contains(out, want) || sound(out) == failed || strings.Contains(out, "--model m") != failed {
			t.Errorf("request %d fails, want %q:\n%s", fails, want, out)
		}
	}
}

// Doctor reports a server that holds its replies back until they are whole, over real sockets: its speed is unknown,
// where doctor once printed 3257 tokens a second and no problem. The server is slow, so that even a busy machine passes
// a reply on in less time than the server takes to make it.
func TestDoctor_Buffered(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Config{Speed: 0.25, ServedNames: []string{"m"}, Faults: []sim.Fault{{Kind: "buffer"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	front := httptest.NewServer(s)
	defer front.Close()
	out := ""
	for range 5 { // on a busy machine the reader may be too late to tell
		out = doctorOf(t, front.URL)
		if strings.Contains(out, "streaming     no") {
			break
		}
	}
	for _, want := range []string{"streaming     no   replies are held back", "the whole reply after",
		"decode speed unknown",
		"holds replies back until they are whole", "proxy_buffering off"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	for _, wrong := range []string{"tokens/s", "no problems found"} {
		if strings.Contains(out, wrong) {
			t.Errorf("%q is in:\n%s", wrong, out)
		}
	}
}

// A server that may load a model for a request, or pass it on to one that costs money, is tested only if the user names
// a model, and what a load takes is no time of a reply.
func TestDoctor_OnDemand(t *testing.T) {
	s, err := sim.New(sim.Config{Speed: 100, ServedNames: []string{"m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var completions atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/chat/completions") {
			completions.Add(1)
			s.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == "/health" {
			t.Error("doctor asked LiteLLM for /health, which has every model of it write a reply")
		}
		w.Header().Set("X-Litellm-Version", "1.70.0")
		if r.URL.Path != "/v1/models" {
			http.NotFound(w, r)
			return
		}
		if _, err := w.Write([]byte(`{"object":"list","data":[{"id":"m","owned_by":"openai"}]}`)); err != nil {
			t.Error(err)
		}
	}))
	defer front.Close()
	if out := doctorOf(t, front.URL); completions.Load() != 0 ||
		!strings.Contains(out, "not sent: it may load a model, or cost money") {
		t.Errorf("%d completions were asked for:\n%s", completions.Load(), out)
	}
	out := doctorOf(t, front.URL, "--model", "m")
	cold, request := strings.Index(out, "\n  cold "), strings.Index(out, "\n  request  ")
	if completions.Load() < 3 || cold < 0 || request < cold {
		t.Errorf("%d completions, of which the first is not told as cold:\n%s", completions.Load(), out)
	}
}

// For a server that lists its models to anyone but asks for a key for replies, as llama-server does, doctor says where
// the key goes.
func TestDoctor_KeyForReplies(t *testing.T) {
	s, err := sim.New(sim.Config{Speed: 100, ServedNames: []string{"m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/chat/completions") {
			http.Error(w, `{"error": {"message": "Invalid API Key"}}`, http.StatusUnauthorized)
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer front.Close()
	out := doctorOf(t, front.URL)
	if !strings.Contains(out, "\n      homellm doctor --url "+front.URL+" --api-key-env NAME") {
		t.Errorf("nothing says where the key goes:\n%s", out)
	}
}

// Doctor reports markers of a chat template in a reply, and says what to do about them.
func TestDoctor_TemplateLeak(t *testing.T) {
	s, err := sim.New(sim.Config{Speed: 100, ServedNames: []string{"m"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.HasSuffix(r.URL.Path, "/chat/completions") && bytes.Contains(body, []byte("Count from one")) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, text := range []string{"One, two.", `<|im_end|>\n<|im_start|>user`} {
				fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}\n\n", text)
			}
			fmt.Fprint(w, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.ServeHTTP(w, r)
	}))
	defer front.Close()
	out := doctorOf(t, front.URL)
	if !strings.Contains(out, "holds <|im_end|>, a marker of a chat template") ||
		!strings.Contains(out, "\n      serve a model that was trained for chat, with its own chat template") {
		t.Errorf("nothing says that the template is another model's:\n%s", out)
	}
}
