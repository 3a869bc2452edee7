package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a simulator, and a plain HTTP client of it, inside a synctest bubble.
type bench struct {
	*testing.T
	s      *Server
	client *http.Client
}

// virtual runs f in virtual time.
func virtual(t *testing.T, cfg Config, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		dial, shut := Pipe(s)
		tr := &http.Transport{DialContext: dial, DisableCompression: true}
		f(&bench{t, s, &http.Client{Transport: tr}})
		tr.CloseIdleConnections()
		s.Close()
		shut()
	})
}

// fields is a JSON object.
type fields = map[string]any

func user(text string) []Message { return []Message{{"user", text}} }

// post sends a JSON body.
func (b *bench) post(path string, body any) *http.Response {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://sim"+path, bytes.NewReader(encode(body)))
	if err != nil {
		b.Fatal(err)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.Fatalf("POST %s: %v", path, err)
	}
	return res
}

// text sends a request and returns status and body.
func (b *bench) text(method, path string, body any) (int, string) {
	b.Helper()
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(encode(body))
	}
	r, err := http.NewRequestWithContext(b.Context(), method, "http://sim"+path, in)
	if err != nil {
		b.Fatal(err)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, string(out)
}

// line is one event as it came.
type line struct {
	at   time.Duration // since the request was sent
	data string        // after "data: "
}

// chat streams a chat request with model and messages filled in and returns its events. err is how
// the body ended, nil for a clean end.
func (b *bench) chat(messages []Message, more fields) (lines []line, err error) {
	b.Helper()
	body := fields{"model": b.s.served[0], "messages": messages, "stream": true}
	maps.Copy(body, more)
	sent := time.Now()
	res := b.post("/v1/chat/completions", body)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		out, _ := io.ReadAll(res.Body)
		b.Fatalf("status %d: %s", res.StatusCode, out)
	}
	return readEvents(res.Body, sent)
}

func readEvents(r io.Reader, sent time.Time) (lines []line, err error) {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadString('\n')
		at := time.Since(sent)
		if data, ok := strings.CutPrefix(text, "data: "); ok {
			lines = append(lines, line{at, strings.TrimSuffix(data, "\n")})
		}
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

// seen is what a stream said.
type seen struct {
	text   string
	finish string
	usage  *usage
	done   bool
	tokens []time.Duration // of events that carry a choice and are not the role
	bad    int             // events that are not JSON
	failed string          // message of an error event
}

func digestEvents(t *testing.T, lines []line) (s seen) {
	t.Helper()
	for _, l := range lines {
		if l.data == "[DONE]" {
			s.done = true
			continue
		}
		var ev struct {
			Choices []struct {
				Delta struct {
					Role, Content, Reasoning string
				}
				Text         *string
				FinishReason string `json:"finish_reason"`
			}
			Usage *usage
			Error *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(l.data), &ev); err != nil {
			s.bad++
			continue
		}
		if ev.Error != nil {
			s.failed = ev.Error.Message
			continue
		}
		if ev.Usage != nil {
			s.usage = ev.Usage
		}
		for _, c := range ev.Choices {
			if c.Delta.Role != "" {
				continue
			}
			s.tokens = append(s.tokens, l.at)
			s.text += c.Delta.Content
			if c.Text != nil {
				s.text += *c.Text
			}
			s.finish += c.FinishReason
		}
	}
	return s
}

// ask is chat with the usage, digested; it fails the test if the stream is not whole.
func (b *bench) ask(messages []Message, more fields) seen {
	b.Helper()
	body := fields{"stream_options": fields{"include_usage": true}}
	maps.Copy(body, more)
	lines, err := b.chat(messages, body)
	s := digestEvents(b.T, lines)
	if err != nil || !s.done || s.bad > 0 || s.failed != "" || s.usage == nil {
		b.Fatalf("the stream is not whole: err %v, %+v", err, s)
	}
	return s
}

// last returns the latest entry of the ledger.
func (b *bench) last() Entry {
	b.Helper()
	l := b.s.Ledger()
	if len(l) == 0 {
		b.Fatal("the ledger is empty")
	}
	return l[len(l)-1]
}

// manual is a document of about n words in a block, with one sentence worth finding.
func manual(n int) string {
	var b strings.Builder
	b.WriteString("[RETRIEVED INFORMATION: workshop manual]\n")
	for i := 0; b.Len() < 6*n; i++ {
		fmt.Fprintf(&b, "Section %d covers the routine inspection of the cooling circuit and its hoses.\n", i)
		if i == 3 {
			b.WriteString("Tighten the cylinder head bolts to 41 Nm in three passes.\n")
		}
	}
	b.WriteString("[END RETRIEVED INFORMATION]\n")
	return b.String()
}
