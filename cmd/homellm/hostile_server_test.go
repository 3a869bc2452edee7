//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"homellm/engine/exit"
	"homellm/engine/sim"
)

// onePlan asks once, and waits for three seconds at most, or for one where bytes come all the time.
const onePlan = `schema: homellm.scenario/v1
name: one
run: {repeats: 1, warmup: 0, error_budget: 100%}
defaults: {timeout: 3s, request: {temperature: 0}}
conversations:
  - id: main
    steps:
      - {id: a, ask: Hello, assert: [turn.ok]}
`

// pour writes the same bytes until the reader goes away.
func pour(w http.ResponseWriter, text string) {
	block := []byte(strings.Repeat(text, 1+(64<<10)/len(text)))
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func stream(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream") }

const delta = `data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}` + "\n\n"

// hostileServers answer one path so that it costs memory or time, or forges an exit code. The simulator answers the
// other paths.
var hostileServers = map[string]struct {
	path string
	do   func(w http.ResponseWriter)
}{
	"endless stream": {"/v1/chat/completions", func(w http.ResponseWriter) {
		stream(w)
		pour(w,
			fmt.Sprintf(delta, "x"))
	}},
	"endless line":     {"/v1/chat/completions", func(w http.ResponseWriter) { stream(w); pour(w, "data: xxxx") }},
	"endless comments": {"/v1/chat/completions", func(w http.ResponseWriter) { stream(w); pour(w, ": x\n") }},
	"deep JSON": {"/v1/chat/completions", func(w http.ResponseWriter) {
		stream(w)
		_, _ = io.WriteString(w, "data: {\"choices\":"+strings.Repeat("[", 1<<20)+"\n\n")
	}},
	"gzip bomb": {"/v1/chat/completions", func(w http.ResponseWriter) {
		w.Header().Set("Content-Type",
			"text/event-stream")
		bomb(w)
	}},
	"never": {"/v1/chat/completions", func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "999999999")
		w.WriteHeader(http.StatusTooManyRequests)
	}},
	"bomb of metrics":  {"/metrics", bomb},
	"endless models":   {"/v1/models", func(w http.ResponseWriter) { pour(w, `{"id":`) }},
	"many models":      {"/v1/models", manyModels},
	"endless tokenise": {"/tokenize", func(w http.ResponseWriter) { pour(w, `[1,`) }},
	"large counts":     {"/v1/chat/completions", func(w http.ResponseWriter) { counts(w, 1<<52) }},
	"huge counts":      {"/v1/chat/completions", func(w http.ResponseWriter) { counts(w, 1<<62) }},
	"huge context": {"/v1/models", func(w http.ResponseWriter) {
		_, _ = fmt.Fprintf(w, `{"object":"list","data":[{"id":"qwen2.5-3b","object":"model","owned_by":"vllm","max_model_len":%d}]}`,
			uint64(1)<<62)
	}},
	"huge blocks": {"/metrics", func(w http.ResponseWriter) {
		_, _ = fmt.Fprintf(w, "# TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{block_size=\"%d\","+
			"enable_prefix_caching=\"True\"} 1\n# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 1e300\n",
			1<<34)
	}},
	"act": {"/v1/chat/completions", func(w http.ResponseWriter) {
		stream(w)
		_, _ = fmt.Fprintf(w, delta+"data: [DONE]\n\n", `\u001b]0;owned\u0007\u001b[2J\r\n::error::forged\n\u202e`)
	}},
}

// counts answers with a reply whose usage no model has.
func counts(w http.ResponseWriter, n uint64) {
	stream(w)
	_, _ = fmt.Fprintf(w, delta+`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,`+
		`"completion_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}}`+"\n\ndata: [DONE]\n\n", "x", n, n, n)
}

// bomb answers with 2 GiB, of which 2 MiB are sent: gzip allows the same part to follow itself.
func bomb(w http.ResponseWriter) {
	w.Header().Set("Content-Encoding", "gzip")
	var part bytes.Buffer
	z := gzip.NewWriter(&part)
	_, _ = z.Write(bytes.Repeat([]byte("a 1\n"), 1<<18)) // a buffer takes all
	_ = z.Close()
	for range 2048 {
		if _, err := w.Write(part.Bytes()); err != nil {
			return
		}
	}
}

func manyModels(w http.ResponseWriter) {
	var b strings.Builder
	b.WriteString(`{"object":"list","data":[{"id":"../../../etc/passwd"},{"id":"\u001b[2J"}`)
	for i := range 20_000 {
		fmt.Fprintf(&b, `,{"id":"m%d"}`, i)
	}
	_, _ = io.WriteString(w, b.String()+"]}")
}

// A server cannot exhaust the client's machine, delay it beyond the scenario's timeout, pass without an
// answer, or make its text act on a terminal.
func TestHostileServers(t *testing.T) {
	long(t)
	t.Parallel()
	for name, s := range hostileServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulated, err := sim.New(sim.Config{Speed: 50, ServedNames: []string{"qwen2.5-3b"}})
			must(t, err)
			defer simulated.Close()
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == s.path {
					s.do(w)
					return
				}
				simulated.ServeHTTP(w, r)
			}))
			defer hs.Close()
			defer hs.CloseClientConnections()
			plan, first := onePlan, "4s" // without it, five minutes are waited for a first token
			if strings.HasPrefix(name, "endless ") {
				plan, first = strings.Replace(onePlan, "timeout: 3s", "timeout: 1s", 1), "1s"
			}
			servers := keyed(hs.URL, "env: HOSTILE_KEY") + "    http: {ttft_timeout: " + first + "}\n"
			p := newProgram(t, map[string]string{"one.yaml": plan, "servers.yaml": servers})
			begin := time.Now()
			c, stdout, stderr := p.command("apply", "one.yaml", "--servers", "servers.yaml", "--server", "keyed", "--model",
				"qwen2.5-3b", "--out", "run", "--keep-raw")
			c.Env = append(c.Env, "HOSTILE_KEY="+planted)
			_ = c.Run() // the exit code is looked at
			code, out := c.ProcessState.ExitCode(), stdout.String()+stderr.String()
			if took := time.Since(begin); took > time.Duration(raceFactor())*4*time.Minute {
				t.Errorf("took %v", took)
			}
			if use, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok && use.Maxrss > 1<<20*raceFactor() {
				t.Errorf("took %d MiB", use.Maxrss>>10)
			}
			answers := s.path != "/v1/chat/completions" || name == "act" || strings.HasSuffix(name, "counts")
			if code == exit.Bug || code == 0 && !answers {
				t.Errorf("exit code %d\n%.800s", code, out)
			}
			if strings.ContainsAny(out, "\x1b\a\u202e") || strings.Contains(out, "\n::error::forged") {
				t.Errorf("the answer acts:\n%.800q", out)
			}
			if _, err := os.Stat(filepath.Join(p.dir, "run", "journal.jsonl")); err == nil {
				if code, _, stderr := p.run("report", "run"); code == exit.Invalid {
					t.Errorf("what was written cannot be read:\n%.400s", stderr)
				}
			}
			if data, err := os.ReadFile(filepath.Join(p.dir, "run", "result.json")); err == nil && len(data) > 8<<20 &&
				name != "endless stream" {
				t.Errorf("result.json has %d bytes", len(data))
			}
		})
	}
}
