//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"homellm/engine/event"
)

// papers are files that make one chunk each.
var papers = map[string]string{
	"pump.md":   "To bleed the pump, open the brass screw until water comes without bubbles.",
	"key.md":    "The key of the boathouse hangs in the bakery, behind the door.",
	"bread.md":  "Sourdough rests overnight, and rye needs less kneading than wheat.",
	"ferry.txt": "The last ferry to the island leaves at half past nine.",
}

const searching = `schema: homellm.scenario/v1
name: searching
defaults: {timeout: 900s, request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1}
corpora: [{id: papers, files: ["*.md", ferry.txt], chunk: {tokens: 64}}]
conversations:
  - id: main
    system: You answer in one short sentence.
    steps:
      - {id: find, retrieve: {query: How is the pump bled?, from: papers, top_k: 4, expect: [pump, ferry]}}
      - {id: bleed, query: How is the pump bled?, assert: [turn.retrieve.recall >= 1, turn.retrieve.embed_ms > 0]}
      - {id: clear, remove: {docs: [papers]}}
      - {id: bye, ask: Goodbye.}
assert: [run.requests_failed == 0, retrieve.index_ms > 0]
`

// TestLlamaServer_Retrieval searches with the vectors of one llama-server and answers with another: the scores are the
// cosines of what that server sends for the texts, the chunks are in the prompt that this one counts, and they are gone
// when they are removed. A server without --embeddings is told as such.
func TestLlamaServer_Retrieval(t *testing.T) {
	embedder := startLlamaServer(t, "--embeddings", "--pooling", "mean")
	r, p := record(t, startLlamaServer(t), nil), build(t)
	for name, text := range papers {
		p.write(t, name, text)
	}
	p.write(t, "servers.yaml", fmt.Sprintf(`schema: homellm.servers/v1
servers:
  embedder: {engine: llamacpp, attach: {url: %q}}
  mine: {engine: llamacpp, attach: {url: %q}, embeddings: {server: embedder}}
  alone: {engine: llamacpp, attach: {url: %q}, embeddings: {}}
`, embedder, r.address, r.address))
	p.write(t, "searching.yaml", searching)
	code, printed := p.run(t, "apply", "searching.yaml", "--servers", "servers.yaml", "--server", "mine", "--out", "out")
	if t.Logf("exit code %d\n%s", code, printed); code != 0 {
		t.Errorf("exit code %d", code)
	}
	turns := p.requests(t, "out")
	if len(turns) != 2 || len(turns[0].Retrieved) != 1 || len(turns[0].Retrieved[0].Chunks) != len(papers) {
		t.Fatalf("%d turns, %+v", len(turns), turns)
	}
	agree(t, turns, r.last(t, len(turns)))
	if with, without := *turns[0].Usage.Prompt, *turns[1].Usage.Prompt; with < without+40 {
		t.Errorf("the prompt has %d tokens with the chunks and %d without them", with, without)
	}
	found := turns[0].Retrieved[0].Chunks
	of := vectorOf(t, embedder, "How is the pump bled?")
	for i, f := range found {
		want := cosine(of, vectorOf(t, embedder, papers[f.File]))
		if math.Abs(f.Score-want) > 0.01 { // texts of one request are computed in other batches
			t.Errorf("%s has the score %v, want %v", f.File, f.Score, want)
		}
		if i > 0 && f.Score > found[i-1].Score {
			t.Errorf("%s comes after %s", f.File, found[i-1].File)
		}
	}
	if !slices.ContainsFunc(found, func(f event.Found) bool { return f.File == "ferry.txt" }) {
		t.Error("the fourth file was not found")
	}

	code, printed = p.run(t, "apply", "searching.yaml", "--servers", "servers.yaml", "--server", "alone", "--out", "other")
	if code != 5 || !strings.Contains(printed, "HTTP 501") || !strings.Contains(printed, "--embeddings") {
		t.Errorf("exit code %d, want 5 and what is missing:\n%s", code, printed)
	}
}

// vectorOf asks a server for the vector of a text.
func vectorOf(t *testing.T, address, text string) []float64 {
	t.Helper()
	body, err := json.Marshal(map[string]string{"input": text})
	if err != nil {
		t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/v1/embeddings", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var reply struct {
		Data []struct {
			Embedding []float64 `json:"embedding"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || len(reply.Data) != 1 {
		t.Fatalf("HTTP %d: %v", resp.StatusCode, err)
	}
	return reply.Data[0].Embedding
}

func cosine(a, b []float64) float64 {
	var product, one, other float64
	for i := range a {
		product, one, other = product+a[i]*b[i], one+a[i]*a[i], other+b[i]*b[i]
	}
	return product / math.Sqrt(one*other)
}
