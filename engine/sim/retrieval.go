package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"math/bits"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What a request for vectors or scores takes.
const (
	embedBase   = 3 * time.Millisecond
	rerankBase  = 5 * time.Millisecond
	perEmbedded = 20 * time.Microsecond // per token
)

// retrieved records a request, waits as long as it takes, and returns its faults; false if it has been answered, or its
// client has gone.
func (s *Server) retrieved(w http.ResponseWriter, r *http.Request, arrival time.Time, base time.Duration, e Retrieval) (
	trouble, bool) {
	e.Path, e.Key = r.URL.Path, r.Header.Get("Authorization") != ""
	tokens := 0
	for _, text := range e.Texts {
		tokens += len(tokenize(text)) + len(tokenize(e.Query))
	}
	took := time.Duration(float64(base+time.Duration(tokens)*perEmbedded) / cmp.Or(s.cfg.Speed, 1))
	e.N = int(s.searches.Add(1))
	found := s.strike(e.N, e.Path, e.Model, []Message{{Content: e.Query}, {Content: strings.Join(e.Texts, "\n")}})
	if f, ok := found.find("delay"); ok {
		took += time.Duration(f.Delay)
	}
	e.Took, e.Faults = took, found.names()
	t := time.NewTimer(time.Until(arrival.Add(took)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
		return nil, false
	case <-s.engine.done:
		return nil, false
	}
	s.ledger.addRetrieval(e)
	if f, ok := found.find("status"); ok {
		s.refuse(w, &refusal{f.Status, errorType(f.Status), "a fault that was asked for: " + http.StatusText(f.Status), ""})
		return nil, false
	}
	return found, true
}

// embed answers with a vector of each text.
func (s *Server) embed(w http.ResponseWriter, r *http.Request, arrival time.Time) {
	var q struct {
		Model    string `json:"model"`
		Input    texts  `json:"input"`
		Encoding string `json:"encoding_format"`
	}
	if !s.read(w, r, &q) {
		return
	}
	refused := s.known(q.Model)
	switch {
	case refused != nil:
	case len(q.Input) == 0:
		refused = badRequest("input", "input is required")
	case q.Encoding != "" && q.Encoding != "float":
		refused = badRequest("encoding_format", "encoding_format %q is not simulated", q.Encoding)
	}
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	found, ok := s.retrieved(w, r, arrival, embedBase, Retrieval{Model: q.Model, Texts: q.Input})
	if !ok {
		return
	}
	type item struct {
		Object string `json:"object"`
		Index  int    `json:"index"`
		Vector []real `json:"embedding"`
	}
	items, tokens := make([]item, len(q.Input)), 0
	for i, text := range q.Input {
		v := meaning(text)
		if found.has("dimension") {
			v = v[1:]
		}
		if found.has("nan") {
			v[len(v)/2] = real(math.NaN())
		}
		items[i] = item{"embedding", i, v}
		tokens += len(tokenize(text))
	}
	if found.has("fewer") {
		items = items[1:]
	}
	answerNumbers(w, map[string]any{
		"id": "embd-" + s.id(int(s.searches.Load())), "object": "list", "model": cmp.Or(q.Model, s.served[0]), "data": items,
		"usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
	})
}

// rank answers with the texts in the order in which they fit a query.
func (s *Server) rank(w http.ResponseWriter, r *http.Request, arrival time.Time) {
	var q struct {
		Model     string   `json:"model"`
		Query     string   `json:"query"`
		Documents []string `json:"documents"`
		Top       int      `json:"top_n"`
	}
	if !s.read(w, r, &q) {
		return
	}
	refused := s.known(q.Model)
	if refused == nil && (q.Query == "" || len(q.Documents) == 0) {
		refused = badRequest("documents", "query and documents are required")
	}
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	found, ok := s.retrieved(w, r, arrival, rerankBase, Retrieval{Model: q.Model, Texts: q.Documents, Query: q.Query})
	if !ok {
		return
	}
	type result struct {
		Index    int               `json:"index"`
		Document map[string]string `json:"document"`
		Score    real              `json:"relevance_score"`
	}
	results := make([]result, len(q.Documents))
	for i, text := range q.Documents {
		results[i] = result{i, map[string]string{"text": text}, fits(q.Query, text)}
	}
	slices.SortStableFunc(results, func(a, b result) int { return cmp.Compare(b.Score, a.Score) })
	if q.Top > 0 {
		results = results[:min(q.Top, len(results))]
	}
	if found.has("unsorted") {
		slices.Reverse(results)
	}
	if found.has("nan") {
		results[0].Score = real(math.NaN())
	}
	if found.has("fewer") {
		results = results[1:]
	}
	answerNumbers(w, map[string]any{
		"id": "rerank-" + s.id(int(s.searches.Load())), "model": cmp.Or(q.Model, s.served[0]), "results": results,
	})
}

// dimensions is the length of a vector.
const dimensions = 1024

// meaning is the vector of a text: 1 at the place of each of its words that say what it is about.
func meaning(text string) []real {
	v := make([]real, dimensions)
	for word := range words(text) {
		if _, stop := stopWords[strings.ToLower(word)]; !stop {
			v[stem(word)%dimensions] = 1
		}
	}
	if !slices.ContainsFunc(v, func(n real) bool { return n != 0 }) {
		v[0] = 1 // a text without such words is about nothing in particular
	}
	return v
}

// fits is the share of the words of a query that a text has, from 0 to 1.
func fits(query, text string) real {
	terms := questionTerms(query)
	has, _ := matches(text, terms)
	return real(bits.OnesCount64(has)) / real(max(1, len(terms)))
}

// real is a number that may be NaN.
type real float64

const notNumber = `"NaN"`

// MarshalJSON implements json.Marshaler. JSON has no NaN: answerNumbers takes the quotes off.
func (n real) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte(notNumber), nil
	}
	return json.Marshal(float64(n))
}

// answerNumbers answers with numbers as Python writes them, which may be NaN.
func answerNumbers(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(bytes.ReplaceAll(encode(v), []byte(notNumber), []byte("NaN"))) // the client has closed the connection
}

// texts is a text, or a list of them.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(t))
}
