//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homellm/engine/event"
)

// account is what an engine says of one completion.
type account struct {
	prompt, cached, output int
	told                   bool    // how many were cached
	tokens                 int     // that the request allowed
	stream                 bool    // as all of homellm's requests are
	text                   string  // as it was sent
	itl                    float64 // mean seconds between pieces; 0: not told
	body                   string  // the reply
	pace                   float64 // ms for each token of the prompt that was computed; 0: not told
}

// recorder is a proxy in front of an engine that keeps the engine's own account of every completion.
type recorder struct {
	address string
	around  func() func(*account) // called before a completion; what it returns, after it; may be nil

	running  sync.WaitGroup // completions that are being passed on
	mu       sync.Mutex
	accounts []account
}

// forwardTo is a proxy that passes everything on at once.
func forwardTo(t *testing.T, address string) *httputil.ReverseProxy {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	// llama-server closes connections that it announced to keep: each request has its own
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	return proxy
}

// record puts a recorder in front of an engine.
func record(t *testing.T, address string, around func() func(*account)) *recorder {
	t.Helper()
	proxy := forwardTo(t, address)
	r := &recorder{around: around}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !completing.MatchString(q.URL.Path) {
			proxy.ServeHTTP(w, q)
			return
		}
		var asked bytes.Buffer
		body := http.MaxBytesReader(w, q.Body, 1<<22)
		if _, err := asked.ReadFrom(body); err != nil {
			t.Error(err)
		}
		q.Body = http.NoBody
		q.Body = readCloser{bytes.NewReader(asked.Bytes())}
		var after func(*account)
		if r.around != nil {
			after = r.around()
		}
		copied := &copying{ResponseWriter: w}
		r.running.Add(1)
		defer r.running.Done()
		// deferred: the proxy panics when the client leaves before the engine closes the connection
		defer func() { r.keep(asked.Bytes(), copied.body.String(), after) }()
		proxy.ServeHTTP(copied, q)
	}))
	t.Cleanup(server.Close)
	r.address = server.URL
	return r
}

// keep keeps the engine's account of a completion.
func (r *recorder) keep(asked []byte, reply string, after func(*account)) {
	a := read(reply)
	a.body = reply
	var request struct {
		MaxTokens int `json:"max_tokens"`
		Stream    bool
		Options   struct {
			Tokens int `json:"num_predict"`
		}
		Output int `json:"max_output_tokens"`
	}
	_ = json.Unmarshal(asked, &request) // 0: it did not say
	a.tokens, a.stream = request.MaxTokens+request.Options.Tokens+request.Output, request.Stream
	if after != nil {
		after(&a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accounts = append(r.accounts, a)
}

// completing matches the paths of generation requests.
var completing = regexp.MustCompile(`/(completions|responses|messages)$|^/api/chat$`)

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// copying keeps what it writes.
type copying struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (c *copying) Write(b []byte) (int, error) {
	c.body.Write(b)
	return c.ResponseWriter.Write(b)
}

func (c *copying) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

// read reads what a streamed or whole reply counts, without any code of homellm's client.
func read(body string) account {
	var a account
	for line := range strings.Lines(body) {
		var e struct {
			Choices []struct {
				Delta   struct{ Content, Reasoning string }
				Message struct{ Content string }
			}
			Usage *struct {
				Prompt  int `json:"prompt_tokens"`
				Output  int `json:"completion_tokens"`
				Details *struct {
					Cached int `json:"cached_tokens"`
				} `json:"prompt_tokens_details"`
			}
			Timings *struct {
				Computed int     `json:"prompt_n"`
				Cached   int     `json:"cache_n"`
				Output   int     `json:"predicted_n"`
				Prefill  float64 `json:"prompt_ms"`
			}
			// Ollama's own API
			Message struct{ Content string }
			Done    bool
			Prompt  int     `json:"prompt_eval_count"`
			Output  int     `json:"eval_count"`
			Prefill float64 `json:"prompt_eval_duration"` // ns
		}
		if json.Unmarshal([]byte(strings.TrimPrefix(strings.TrimSpace(line), "data: ")), &e) != nil {
			if strings.HasPrefix(line, "data: {\"type\":\"") {
				a.readTyped(line)
			}
			continue
		}
		a.readTyped(line)
		for _, c := range e.Choices {
			a.text += c.Delta.Content + c.Message.Content
		}
		a.text += e.Message.Content
		switch {
		case e.Timings != nil:
			a.prompt, a.cached, a.output = e.Timings.Computed+e.Timings.Cached, e.Timings.Cached, e.Timings.Output
			a.told, a.pace = true, e.Timings.Prefill/max(float64(e.Timings.Computed), 1)
		case e.Usage != nil && e.Usage.Prompt > 0:
			a.prompt, a.output = e.Usage.Prompt, e.Usage.Output
			if e.Usage.Details != nil {
				a.cached, a.told = e.Usage.Details.Cached, true
			}
		case e.Done:
			a.prompt, a.output, a.pace = e.Prompt, e.Output, e.Prefill/1e6/max(float64(e.Prompt), 1)
		}
	}
	return a
}

// readTyped reads an event of the responses or the messages API, whose usage is that of the whole reply.
func (a *account) readTyped(line string) {
	type usage struct {
		Input   int `json:"input_tokens"`
		Cached  int `json:"cache_read_input_tokens"`
		Output  int `json:"output_tokens"`
		Details struct {
			Cached int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
	}
	var e struct {
		Type     string
		Delta    json.RawMessage
		Message  struct{ Usage usage }
		Response struct{ Usage *usage }
		Usage    usage
	}
	if json.Unmarshal([]byte(strings.TrimPrefix(strings.TrimSpace(line), "data: ")), &e) != nil {
		return
	}
	var text string
	var block struct{ Text string }
	switch e.Type {
	case "response.output_text.delta":
		_ = json.Unmarshal(e.Delta, &text)
	case "content_block_delta":
		_ = json.Unmarshal(e.Delta, &block)
	case "message_start":
		u := e.Message.Usage
		a.prompt, a.cached, a.told = u.Input+u.Cached, u.Cached, true
	case "message_delta":
		a.output = e.Usage.Output
	case "response.completed", "response.incomplete":
		if u := e.Response.Usage; u != nil {
			a.prompt, a.cached, a.told, a.output = u.Input, u.Details.Cached, true, u.Output
		}
	}
	a.text += text + block.Text
}

// everything are the accounts of all completions, those of tests included.
func (r *recorder) everything() []account {
	r.running.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.accounts)
}

// last are the accounts of the last n completions.
func (r *recorder) last(t *testing.T, n int) []account {
	t.Helper()
	var turns []account
	for _, a := range r.everything() {
		if a.tokens != 1 { // that is how tests and cold prompts ask, which come between repeats as well
			turns = append(turns, a)
		}
	}
	if len(turns) < n {
		t.Fatalf("%d completions reached the engine, of %d turns", len(turns), n)
	}
	return turns[len(turns)-n:]
}

// turns plays rag-small on a server, a warm-up and one repeat, into the folder out, and returns the turns of both. What
// a small model says is not judged here, nor are times of a machine that is shared, where a turn may take long: the run
// has to be judged, and no turn may fail.
func (p program) turns(t *testing.T, flags ...string) []*event.Request {
	t.Helper()
	return p.play(t, p.patient(t, "rag-small"), flags...)
}

// once is turns without the warm-up, for set-ups of an engine that is held to all of it in another.
func (p program) once(t *testing.T, flags ...string) []*event.Request {
	t.Helper()
	return p.play(t, p.patient(t, "rag-small", "  warmup: 1\n", "  warmup: 0\n"), flags...)
}

var timeouts = regexp.MustCompile(`(?m)^  timeout: .*$`)

// patient is a copy of a shipped scenario whose turns may take a quarter of an hour, with further texts replaced.
func (p program) patient(t *testing.T, name string, replaced ...string) (copied string) {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("..", "scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(folder, name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	documents := filepath.Join(p.dir, "documents")
	if _, err := os.Stat(documents); err != nil { // the first copy
		if err := os.CopyFS(documents, os.DirFS(filepath.Join(folder, "documents"))); err != nil {
			t.Fatal(err)
		}
	}
	text := timeouts.ReplaceAllString(string(data), "  timeout: 900s")
	return p.write(t, name+".yaml", strings.NewReplacer(replaced...).Replace(text))
}

func (p program) play(t *testing.T, scenario string, flags ...string) []*event.Request {
	t.Helper()
	began := time.Now()
	args := append([]string{"apply", scenario, "--out", "out", "--repeats", "1"}, flags...)
	code, printed := p.run(t, args...)
	t.Logf("exit code %d after %v\n%s", code, time.Since(began).Round(time.Second), printed)
	if code != 0 && code != 1 && code != 4 {
		t.Errorf("exit code %d", code)
	}
	var turns []*event.Request
	for _, e := range p.events(t, "out") {
		if r, ok := e.Body.(event.Request); ok {
			turns = append(turns, &r)
		}
	}
	if len(turns) < 4 {
		t.Fatalf("%d turns were played", len(turns))
	}
	return turns
}

// agree compares every turn with the engine's account of it.
func agree(t *testing.T, turns []*event.Request, accounts []account) {
	t.Helper()
	for i, r := range turns {
		a := accounts[i]
		switch {
		case r.Err != nil:
			t.Errorf("%s: %s: %s", r.Step, r.Err.Class, r.Err.Message)
		case r.Usage.Prompt == nil || *r.Usage.Prompt != a.prompt:
			t.Errorf("%s: %v prompt tokens, the engine counts %d", r.Step, number(r.Usage.Prompt), a.prompt)
		case !a.told && r.Cached != nil:
			t.Errorf("%s: %d cached tokens from %s, and the engine tells nothing", r.Step, *r.Cached, r.CacheSource)
		case a.told && (r.Cached == nil || *r.Cached != a.cached):
			t.Errorf("%s: %v cached tokens (%s), the engine counts %d", r.Step, number(r.Cached), r.CacheWhy, a.cached)
		case r.Usage.Completion == nil || *r.Usage.Completion != a.output || a.output > a.tokens:
			t.Errorf("%s: %v tokens, the engine counts %d of %d", r.Step, number(r.Usage.Completion), a.output, a.tokens)
		case r.Text != a.text:
			t.Errorf("%s: the text is %q, and %q was sent", r.Step, r.Text, a.text)
		case r.Timings["spec.draft_tokens"] > 0: // what was proposed beyond the last reply may be cached as well
		case a.told && r.Reusable != nil && r.ReusableSource == "tokens" && *r.Cached > *r.Reusable:
			t.Errorf("%s: %d cached tokens above the ceiling of %d", r.Step, *r.Cached, *r.Reusable)
		}
	}
}

// golden keeps the last reply with the account of it for the tests of engine/client, where what is seen is recorded.
func (r *recorder) golden(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("HOMELLM_E2E_SEEN") == "" || t.Failed() {
		return
	}
	a := r.last(t, 1)[0]
	told := map[string]any{"prompt": a.prompt, "output": a.output, "text": a.text}
	if a.told {
		told["cached"] = a.cached
	}
	data, err := json.MarshalIndent(told, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join("..", "engine", "client", "testdata", "recorded")
	extension := ".sse"
	if strings.HasPrefix(a.body, "{") {
		extension = ".ndjson"
	}
	// where the model lies is of this machine
	for _, variable := range []string{"HOMELLM_E2E_LLAMA_MODEL", "HOMELLM_E2E_GEMMA", "HOMELLM_E2E_VLLM_MODEL"} {
		if path := os.Getenv(variable); path != "" {
			a.body = strings.ReplaceAll(a.body, filepath.Dir(path)+"/", "")
		}
	}
	for path, text := range map[string]string{name + extension: a.body, name + ".json": string(data) + "\n"} {
		if err := os.WriteFile(filepath.Join(folder, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func number(n *int) any {
	if n == nil {
		return "unknown"
	}
	return *n
}
