package retrieve_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"homellm/engine/retrieve"
)

// answering is a service that gives one answer after another, and keeps the requests.
func answering(t *testing.T, status int, answers ...string) (s retrieve.Service, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*asked = append(*asked, string(body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answers[min(len(*asked), len(answers))-1]) // the client has closed the connection
	}))
	t.Cleanup(srv.Close)
	return retrieve.Service{URL: srv.URL, Model: "m", Client: srv.Client(), Limit: time.Minute}, asked
}

// vectors is a reply with a vector for each place.
func vectors(of ...string) string {
	items := make([]string, len(of))
	for i, v := range of {
		items[i] = fmt.Sprintf(`{"index": %d, "embedding": %s}`, i, v)
	}
	return `{"data": [` + strings.Join(items, ", ") + `]}`
}

// Vectors are compared by their direction, whatever their length and the order of a reply.
func TestSearch(t *testing.T) {
	s, asked := answering(t, http.StatusOK, `{"data": [{"index": 1, "embedding": [0, 3]}, `+
		`{"index": 0, "embedding": [10, 0]}, {"index": 2, "embedding": [1, 1]}]}`, vectors("[0, 0.5]"))
	x, _, err := retrieve.NewIndex(t.Context(), s, []string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	hits, _, err := x.Search(t.Context(), s, "q", 2)
	if err != nil || len(hits) != 2 || hits[0] != (retrieve.Hit{N: 1, Score: 1}) || hits[1].N != 2 {
		t.Errorf("%v, %v", hits, err)
	}
	if want := `{"model":"m","input":["a","b","c"],"encoding_format":"float"}`; (*asked)[0] != want {
		t.Errorf("asked with %s, want %s", (*asked)[0], want)
	}
}

// Many texts are embedded in several requests, whose vectors must fit each other.
func TestNewIndex(t *testing.T) {
	full := make([]string, 32)
	for i := range full {
		full[i] = "[1, 0]"
	}
	for rest, want := range map[string]string{"[0, 1]": "",
		"[0, 1, 0]": "a vector has 3 numbers, and those before it have 2"} {
		s, asked := answering(t, http.StatusOK, vectors(full...), vectors(rest))
		_, _, err := retrieve.NewIndex(t.Context(), s, make([]string, 33))
		if len(*asked) != 2 || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d requests, %v", len(*asked), err)
		}
	}
}

func TestSearch_Wrong(t *testing.T) {
	for _, c := range []struct {
		texts        int
		answer, want string
	}{
		{1, vectors("[0, 0]"), "is all zeros"},
		{1, vectors("[]"), "is empty"},
		{1, vectors("[1, null]"), "has no finite number at place 2"},
		{1, vectors("[1, 1e300]"), "has no finite number at place 2"},
		{1, vectors("[1, NaN]"), "has a number that is NaN or infinite"},
		{1, `{"data": [{"embedding": [1]}]}`, "result 1 has no index"},
		{1, `{"data": [{"index": 1, "embedding": [1]}]}`, "result 1 has index 1, which is out of range or taken"},
		{1, `{"embedding": [1]}`, "vectors of 1 texts: 1 were asked for and 0 came"},
		{1, "<html>", "the reply is not what the API promises"},
		{2, vectors("[1]"), "vectors of 2 texts: 2 were asked for and 1 came"},
		{2, vectors("[1]", "[1, 2]"), "vectors of one reply have 1 and 2 numbers"},
		{2, `{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}`,
			"result 2 has index 0, which is out of range or taken"},
	} {
		s, _ := answering(t, http.StatusOK, c.answer)
		if _, _, err := retrieve.NewIndex(t.Context(), s, make([]string, c.texts)); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.answer, err, c.want)
		}
	}
}

// A reranker's results are the best of all texts, by their places.
func TestRerank(t *testing.T) {
	s, asked := answering(t, http.StatusOK, `{"results": [{"index": 1, "relevance_score": 0.9}, `+
		`{"index": 2, "relevance_score": -0.5}, {"index": 0, "relevance_score": -3}]}`)
	hits, _, err := retrieve.Rerank(t.Context(), s, "q", []string{"a", "b", "c"}, 2)
	if err != nil || len(hits) != 2 || hits[0] != (retrieve.Hit{N: 1, Score: 0.9}) || hits[1].N != 2 {
		t.Errorf("%v, %v", hits, err)
	}
	if want := `{"model":"m","query":"q","documents":["a","b","c"],"top_n":3}`; (*asked)[0] != want {
		t.Errorf("asked with %s, want %s", (*asked)[0], want)
	}
	s, _ = answering(t, http.StatusOK, `{"results": [{"index": 0}]}`)
	if _, _, err := retrieve.Rerank(t.Context(), s, "q", []string{"a"}, 1); err == nil ||
		!strings.Contains(err.Error(), "result 1 has no score") {
		t.Error(err)
	}
}

// What servers say of an error is passed on, in the forms of llama-server, vLLM and FastAPI, with what to do.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{501, `{"error":{"code":501,"message":"This server does not support embeddings."}}`,
			"HTTP 501: This server does not support embeddings."},
		{404, `{"detail":"Not Found"}`, "HTTP 404: Not Found. Does the server serve a model for this"},
		{404, `{"object":"error","message":"The model does not exist."}`, "HTTP 404: The model does not exist."},
		{401, `{"error":"Unauthorized"}`, "HTTP 401: Unauthorized. Name where its key is"},
		{503, "loading\n\nmodel", "HTTP 503: loading model"},
	} {
		s, _ := answering(t, c.status, c.body)
		_, _, err := retrieve.NewIndex(t.Context(), s, []string{"a"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: %v, want %q", c.status, c.body, err, c.want)
		}
	}
}
