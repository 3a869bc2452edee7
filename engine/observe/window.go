package observe

import (
	"fmt"

	"homellm/engine/engines"
	"homellm/engine/event"
)

// window finds turns that lost cached tokens to sliding window attention, whose layers look back a fixed number of
// tokens.
type window struct {
	turns int
	worst *event.Request // the one that lost most
}

// The loss from which a cause is named.
const (
	leastLacking = 64   // tokens
	shareLacking = 0.25 // share of the reusable tokens
)

// check looks for a turn that found far less of its prompt in the cache than was reusable. It uses the run's figures:
// a withdrawn report counts as no report.
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

// sum names the likely cause if the prompt that lost most is longer than the window.
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
