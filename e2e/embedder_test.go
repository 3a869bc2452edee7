//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"homellm/engine/event"
)

// asking has questions that share hardly a word with the files that answer them.
const asking = `schema: homellm.scenario/v1
name: asking
defaults: {timeout: 900s, request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1}
corpora: [{id: papers, files: ["*.md", ferry.txt], chunk: {tokens: 64}}]
conversations:
  - id: quiz
    for_each:
      item:
        list:
          - {of: pump.md, question: How do I get rid of the air in the hydraulic line?}
          - {of: key.md, question: Where do I find what unlocks the shed with the canoes?}
          - {of: bread.md, question: For how long should dough be left alone before baking?}
          - {of: ferry.txt, question: At what time does the final boat depart in the evening?}
    steps:
      - {id: find, retrieve: {query: "${item.question}", from: papers, top_k: 1, expect: ["${item.of}"]}}
      - {id: told, query: "${item.question}", assert: [turn.retrieve.recall >= 1, turn.retrieve.embed_ms > 0]}
  - id: whole
    steps:
      - {id: rank, retrieve: {query: When may I take a canoe?, from: papers, top_k: 4}}
      - {id: ranked, query: When may I take a canoe?}
assert: [run.requests_failed == 0, run.retrieve.recall >= 1, retrieve.index_ms > 0]
`

// seenCall is a request that passed through a proxy: from when all of it was there until the last part of its reply was
// about to go on.
type seenCall struct {
	from, to time.Time
	inputs   []string // texts of which it asks for the vectors
}

// stamped stamps what is written, the first part of it a while after it came.
type stamped struct {
	http.ResponseWriter
	hold time.Duration
	last time.Time
}

func (s *stamped) Write(b []byte) (int, error) {
	time.Sleep(s.hold)
	s.hold, s.last = 0, time.Now()
	return s.ResponseWriter.Write(b)
}

func (s *stamped) Flush() {
	if s.hold == 0 {
		s.ResponseWriter.(http.Flusher).Flush()
	}
}

// stamps is a proxy that stamps the requests to one path.
type stamps struct {
	address string
	mu      sync.Mutex
	calls   []seenCall
}

// stamping puts a proxy in front of a server, which holds every reply of the path back for a while.
func stamping(t *testing.T, to, path string, hold time.Duration) *stamps {
	t.Helper()
	forward, s := forwardTo(t, to), &stamps{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !strings.HasSuffix(q.URL.Path, path) {
			forward.ServeHTTP(w, q)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 1<<22))
		if err != nil {
			t.Error(err)
		}
		var asked struct {
			Input []string `json:"input"`
		}
		_ = json.Unmarshal(body, &asked) // a completion has no input
		from, out := time.Now(), &stamped{ResponseWriter: w, hold: hold}
		q.Body = readCloser{bytes.NewReader(body)}
		forward.ServeHTTP(out, q)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, seenCall{from, out.last, asked.Input})
	}))
	t.Cleanup(server.Close)
	s.address = server.URL
	return s
}

// all are the calls so far.
func (s *stamps) all() []seenCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// TestVLLM_Embeds searches with the vectors of a real embedding model and answers with llama-server. Every question
// finds its file, the order of all files is that of the cosines of the vectors that the server sends to anybody, and
// the times are those that proxies on both sides see.
func TestVLLM_Embeds(t *testing.T) {
	model := serveVLLM(t, "HOMELLM_E2E_VLLM_EMBEDS", "--served-model-name", "minilm", "--runner", "pooling", "--dtype",
		"float32")
	const held = 100 * time.Millisecond
	embedder := stamping(t, model, "/embeddings", held)
	r := record(t, startLlamaServer(t), nil)
	chat := stamping(t, r.address, "/chat/completions", 0)
	p := build(t)
	for name, text := range papers {
		p.write(t, name, text)
	}
	p.write(t, "servers.yaml", fmt.Sprintf(`schema: homellm.servers/v1
servers:
  embedder: {engine: vllm, attach: {url: %q}}
  mine: {engine: llamacpp, attach: {url: %q}, embeddings: {server: embedder, model: minilm}}
`, embedder.address, chat.address))
	p.write(t, "asking.yaml", asking)
	code, printed := p.run(t, "apply", "asking.yaml", "--servers", "servers.yaml", "--server", "mine", "--out", "out")
	if t.Logf("exit code %d\n%s", code, printed); code != 0 {
		t.Errorf("exit code %d", code)
	}
	turns := p.requests(t, "out")
	if len(turns) != len(papers)+1 {
		t.Fatalf("%d turns", len(turns))
	}
	agree(t, turns, r.last(t, len(turns)))
	vectors := map[string][]float64{}
	for name, text := range papers {
		vectors[name] = vectorOf(t, model, text)
	}
	for i, q := range turns {
		if len(q.Retrieved) != 1 || len(q.Retrieved[0].Chunks) != map[string]int{"told": 1, "ranked": 4}[q.Step] {
			t.Fatalf("turn %d: %+v", i, q.Retrieved)
		}
		ranks(t, q.Retrieved[0], vectors, vectorOf(t, model, q.Retrieved[0].Query))
	}
	times(t, turns, embedder.all(), chat.all(), held)
}

// ranks compares what was found with the cosines of vectors that were asked for one by one.
func ranks(t *testing.T, found event.Retrieval, vectors map[string][]float64, of []float64) {
	t.Helper()
	var files []string
	for name := range vectors {
		files = append(files, name)
	}
	near := func(name string) float64 { return cosine(of, vectors[name]) }
	slices.SortFunc(files, func(a, b string) int {
		if near(a) > near(b) {
			return -1
		}
		return 1
	})
	for i, f := range found.Chunks {
		if want := near(files[i]); f.File != files[i] || f.Score < want-1e-4 || f.Score > want+1e-4 {
			t.Errorf("%s: number %d is %s with %.5f, want %s with %.5f", found.Query, i+1, f.File, f.Score, files[i], want)
		}
	}
}

// times compares the time of every search with the stamps of proxies: it holds that of its request at the embedder, and
// lies between the requests to the chat before and after it.
func times(t *testing.T, turns []*event.Request, embedded, chats []seenCall, held time.Duration) {
	t.Helper()
	searches := slices.DeleteFunc(embedded, func(c seenCall) bool { return len(c.inputs) != 1 })
	if len(searches) != len(turns) || len(chats) < len(turns) {
		t.Fatalf("the embedder got %d searches and the chat %d requests, want %d", len(searches), len(chats), len(turns))
	}
	chats = chats[len(chats)-len(turns):] // before them the server was tested
	var over []time.Duration
	for i, q := range turns {
		search, inner := q.Retrieved[0], searches[i].to.Sub(searches[i].from)
		took := search.Embed
		if searches[i].inputs[0] != search.Query || inner < held {
			t.Errorf("turn %d: %q was searched for, and %q took %v", i, search.Query, searches[i].inputs[0], inner)
		}
		over = append(over, took-inner)
		if i == 0 {
			continue
		}
		if outer := chats[i].from.Sub(chats[i-1].to); took < inner || took > outer {
			t.Errorf("turn %d: %v, and proxies saw %v at the embedder and %v between two requests", i, took, inner, outer)
		}
	}
	t.Logf("above the proxy's time of each search: %v", over)
}
