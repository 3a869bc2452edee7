// Package retrieve asks the servers of a retrieval: for vectors of texts, and for the best of several texts.
//
// The input is texts and where a service is. The output is vectors or an order with scores, and how long the request
// took. A reply that is not what was asked for is an error that says what is wrong with it; no vector is repaired and
// no result made up. The package knows no scenario, no run and no journal.
package retrieve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"homellm/engine/engines"
)

// Service is one endpoint of a server.
type Service struct {
	URL    string // of the endpoint, such as http://127.0.0.1:8080/v1/embeddings
	Model  string // name in requests; empty: they have none
	Client *http.Client
	Limit  time.Duration // of one request
}

// mostBytes limits a reply: 32 vectors of 8,192 numbers with 20 characters each are 5 MB.
const mostBytes = 64 << 20

// call sends a request and decodes the reply. Took is the time from a connection being there to the last byte of the
// reply.
func (s Service) call(ctx context.Context, request, reply any) (took time.Duration, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return 0, fmt.Errorf("encoding the request: %w", err)
	}
	from := time.Now()
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { from = time.Now() }}
	within, cancel := context.WithTimeout(httptrace.WithClientTrace(ctx, trace), s.Limit)
	defer cancel()
	post, err := http.NewRequestWithContext(within, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.URL, err)
	}
	post.Header.Set("Content-Type", "application/json")
	response, err := s.Client.Do(post)
	if err != nil {
		return 0, s.unanswered(ctx, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, mostBytes+1))
	took = time.Since(from)
	switch {
	case err != nil:
		return 0, s.unanswered(ctx, err)
	case len(raw) > mostBytes:
		return 0, fmt.Errorf("%s: the reply is longer than %d MiB", s.URL, mostBytes>>20)
	case response.StatusCode != http.StatusOK:
		return 0, s.refused(response.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, reply); err != nil {
		if bytes.Contains(raw, []byte("NaN")) || bytes.Contains(raw, []byte("Infinity")) {
			return 0, fmt.Errorf("%s: the reply has a number that is NaN or infinite: %s", s.URL, overflowed)
		}
		return 0, fmt.Errorf("%s: the reply is not what the API promises: %w", s.URL, err)
	}
	return took, nil
}

// overflowed says why a number is NaN or infinite, and what to do.
const overflowed = "the model's numbers have overflowed, as in half precision (start the server with --dtype float32)"

// unanswered describes a request without a whole reply.
func (s Service) unanswered(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%s: no reply within %v", s.URL, s.Limit)
	}
	return fmt.Errorf("%s: %w", s.URL, err)
}

// refused describes a status that is not 200.
func (s Service) refused(status int, body []byte) error {
	what := fmt.Sprintf("%s answers HTTP %d", s.URL, status)
	if said := (engines.Response{Status: status, Body: body}).Message(); said != "" {
		what += ": " + said
	}
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		what += ". Does the server serve a model for this (llama-server --embeddings or --rerank, vllm serve of an " +
			"embedding model)? The profile says who embeds and reranks"
	case http.StatusUnauthorized, http.StatusForbidden:
		what += ". Name where its key is in its profile: attach: {api_key: {env: …}}"
	}
	return errors.New(what)
}

// placed puts results into the order of what was asked: every place has exactly one.
func placed[T any](results []T, n int, index func(T) *int) ([]T, error) {
	if len(results) != n {
		return nil, fmt.Errorf("%d were asked for and %d came", n, len(results))
	}
	out, there := make([]T, n), make([]bool, n)
	for i, r := range results {
		switch at := index(r); {
		case at == nil:
			return nil, fmt.Errorf("result %d has no index", i+1)
		case *at < 0 || *at >= n || there[*at]:
			return nil, fmt.Errorf("result %d has index %d, which is out of range or taken", i+1, *at)
		default:
			out[*at], there[*at] = r, true
		}
	}
	return out, nil
}

// Hit is a text that was found.
type Hit struct {
	N     int // its place among the texts, from 0
	Score float64
}

// best sorts hits by their scores; of equal ones the earlier text comes first.
func best(a, b Hit) int { return cmp.Or(cmp.Compare(b.Score, a.Score), a.N-b.N) }
