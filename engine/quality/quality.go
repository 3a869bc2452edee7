// Package quality makes the short questions with exact answers of the scenario quality-smoke. The same seed gives the
// same questions, so that the file of the scenario can be made again, and the simulator, which cannot think, knows the
// answers. It reads and writes nothing.
package quality

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
)

// Item is a question with its answer.
type Item struct {
	Kind     string `json:"kind"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
	Check    string `json:"check"` // how an answer is compared: one of the checks below
}

// How an answer is compared.
const (
	byWords  = "words"  // in small letters and without punctuation
	byNumber = "number" // the last number in it
	exactly  = "exact"  // without blanks at either end
)

// Unknown is the answer to what a question does not say.
const Unknown = "unknown"

// ofKind is how many questions there are of each kind.
const ofKind = 60

// kinds make a question of each kind; n is its number among them.
var kinds = []struct {
	name  string
	check string
	make  func(d *draw, n int) (question, answer string)
}{
	{"arithmetic", byNumber, arithmetic},
	{"extraction", byWords, extraction},
	{"format", exactly, format},
	{"refusal", byWords, refusal},
	{"code", exactly, code},
}

// Items are the questions: of each kind as many.
var Items = sync.OnceValue(func() (out []Item) {
	seen := map[string]bool{}
	for k, kind := range kinds {
		d := &draw{rand.NewPCG(18, uint64(k))}
		for n := 0; n < ofKind; {
			question, answer := kind.make(d, n)
			if seen[question] {
				continue
			}
			seen[question] = true
			n++
			out = append(out, Item{kind.name, question, answer, kind.check})
		}
	}
	return out
})

// Lines are the questions as JSON lines.
func Lines() []byte {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	for _, item := range Items() {
		_ = out.Encode(item) // a struct of texts into memory: it does not fail
	}
	return b.Bytes()
}

var answers = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	for _, item := range Items() {
		out[item.Question] = item.Answer
	}
	return out
})

// Answer is the answer to a question; ok is false if it is none of [Items].
func Answer(question string) (answer string, ok bool) {
	answer, ok = answers()[strings.TrimSpace(question)]
	return answer, ok
}

// draw draws at random.
type draw struct{ source *rand.PCG }

// upTo is a number from 0 to n-1. It does not depend on how the standard library makes one of the source.
func (d *draw) upTo(n int) int { return int(d.source.Uint64() >> 33 % uint64(n)) }

// between is a number from low to high.
func (d *draw) between(low, high int) int { return low + d.upTo(high-low+1) }

// of is one of a list.
func of[T any](d *draw, list []T) T { return list[d.upTo(len(list))] }

// some are n different ones of a list, in any order.
func some[T any](d *draw, list []T, n int) []T {
	rest := append([]T(nil), list...)
	for i := range n {
		j := d.between(i, len(rest)-1)
		rest[i], rest[j] = rest[j], rest[i]
	}
	return rest[:n]
}
