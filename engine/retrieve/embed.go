package retrieve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// vector has length 1, so that the product of two is their cosine.
type vector []float32

// embedRequest is OpenAI's form, which vLLM, llama-server and Infinity take.
type embedRequest struct {
	Model    string   `json:"model,omitempty"`
	Input    []string `json:"input"`
	Encoding string   `json:"encoding_format"`
}

type embedded struct {
	Index  *int       `json:"index"`
	Vector []*float64 `json:"embedding"`
}

// embed asks for the vectors of texts.
func embed(ctx context.Context, s Service, texts []string) ([]vector, time.Duration, error) {
	var reply struct {
		Data []embedded `json:"data"`
	}
	took, err := s.call(ctx, embedRequest{s.Model, texts, "float"}, &reply)
	if err != nil {
		return nil, 0, err
	}
	all, err := placed(reply.Data, len(texts), func(e embedded) *int { return e.Index })
	if err != nil {
		return nil, 0, fmt.Errorf("%s: vectors of %d texts: %w", s.URL, len(texts), err)
	}
	out := make([]vector, len(all))
	for i, e := range all {
		if out[i], err = unit(e.Vector); err != nil {
			return nil, 0, fmt.Errorf("%s: the vector of text %d of %d %w", s.URL, i+1, len(texts), err)
		}
		if len(out[i]) != len(out[0]) {
			return nil, 0, fmt.Errorf("%s: vectors of one reply have %d and %d numbers", s.URL, len(out[0]), len(out[i]))
		}
	}
	return out, took, nil
}

// unit makes a vector have length 1.
func unit(numbers []*float64) (vector, error) {
	if len(numbers) == 0 {
		return nil, errors.New("is empty")
	}
	sum := 0.0
	for i, n := range numbers {
		if n == nil || math.IsInf(*n**n, 0) {
			return nil, fmt.Errorf("has no finite number at place %d: %s", i+1, overflowed)
		}
		sum += *n * *n
	}
	if sum == 0 {
		return nil, errors.New("is all zeros, so that it is near to nothing")
	}
	out := make(vector, len(numbers))
	for i, n := range numbers {
		out[i] = float32(*n / math.Sqrt(sum))
	}
	return out, nil
}

// Index is the vectors of the texts that are searched.
type Index struct{ vectors []vector }

// batch is how many texts one request embeds.
const batch = 32

// NewIndex embeds texts. Took is the sum of the requests.
func NewIndex(ctx context.Context, s Service, texts []string) (x *Index, took time.Duration, err error) {
	x = &Index{}
	for part := range slices.Chunk(texts, batch) {
		vectors, t, err := embed(ctx, s, part)
		if err != nil {
			return nil, 0, err
		}
		if x.vectors = append(x.vectors, vectors...); len(vectors[0]) != len(x.vectors[0]) {
			return nil, 0, fmt.Errorf("%s: a vector has %d numbers, and those before it have %d", s.URL, len(vectors[0]),
				len(x.vectors[0]))
		}
		took += t
	}
	return x, took, nil
}

// Search embeds a query and returns the k texts whose vectors point most in its direction, the nearest first, with the
// cosine of both. Took is the time of the request.
func (x *Index) Search(ctx context.Context, s Service, query string, k int) (hits []Hit, took time.Duration,
	err error) {
	of, took, err := embed(ctx, s, []string{query})
	if err != nil {
		return nil, 0, err
	}
	if a, b := len(of[0]), len(x.vectors[0]); a != b {
		return nil, 0, fmt.Errorf("%s: the vector of the query has %d numbers, and those of the chunks have %d: is it "+
			"another model than the one that embedded them?", s.URL, a, b)
	}
	for i, v := range x.vectors {
		cosine := 0.0
		for j := range v {
			cosine += float64(v[j]) * float64(of[0][j])
		}
		hits = append(hits, Hit{i, cosine})
	}
	slices.SortFunc(hits, best)
	return hits[:min(k, len(hits))], took, nil
}
