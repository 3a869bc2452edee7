package observe

import (
	"fmt"

	"homellm/engine/engines"
	"homellm/engine/event"
)

// window is what a cache of layers that look back so many tokens only cannot give back.
type window struct {
	turns int
	worst *event.Request // that lacks most
}

// What a cache must lack before it is said why.
const (
	leastLacking = 64   // tokens
	shareLacking = 0.25 // of what could have been found
)

// check looks for a turn whose prompt should have been found in the cache to a larger part. What is cached or could be
// is taken as the run has it: a report that is not believed is none.
func (w *window) check(r *event.Request) {
	if r.Warmup || r.Err != nil || r.Cached == nil || r.Reusable == nil || r.Usage.Prompt == nil {
		return
	}
	lacks := lacking(r)
	if lacks < leastLacking || float64(lacks) < shareLacking*float64(*r.Reusable) {
		return
	}
	w.turns++
	if w.worst == nil || lacks > lacking(w.worst) {
		w.worst = r
	}
}

func lacking(r *event.Request) int { return *r.Reusable - *r.Cached }

// sum names the likely cause where prompts were not found that are longer than the model's layers look back.
func (w *window) sum(engine string, looksBack func() (tokens int, source string), notes notes) {
	if w.worst == nil || looksBack == nil {
		return
	}
	tokens, source := looksBack()
	if tokens == 0 || *w.worst.Usage.Prompt <= tokens {
		return
	}
	e := engines.Of(engine)
	of := "1 turn"
	if w.turns > 1 {
		of = fmt.Sprintf("%d turns", w.turns)
	}
	notes.once("sliding_window", "the cache gave back less than it could in %s: %d of %d tokens in %s. Layers of this "+
		"model look back %d tokens (%s), and %s keeps no more of them, so that a prompt which differs further back is "+
		"computed anew: start it with %s", of, *w.worst.Cached, *w.worst.Reusable, turnOf(w.worst), tokens, source, e.Title,
		e.Hints.WholeWindow)
}
