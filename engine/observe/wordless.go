package observe

import (
	"fmt"
	"strings"

	"homellm/engine/event"
)

// wordless counts the replies without text and calls that live conversations keep, and the summaries without text. What
// follows them is sent to the server as well, and says less than the scenario meant to.
type wordless struct {
	replies, summaries lacks
}

// lacks counts replies, and those of them that lack something.
type lacks struct {
	all, n int
	first  string // the first of these, and why
}

func (l *lacks) count(r *event.Request, lacking bool, why string) {
	l.all++
	if !lacking {
		return
	}
	if l.n++; l.n == 1 {
		l.first = turnOf(r) + " (" + why + ")"
	}
}

// check counts the reply of a turn whose history keeps it.
func (w *wordless) check(r *event.Request) {
	if r.Err != nil || r.Prefill || r.Warmup {
		return
	}
	mute := strings.TrimSpace(r.Text) == ""
	if r.Action == "compact" {
		w.summaries.count(r, mute, whyMute(r))
		return
	}
	w.replies.count(r, mute && r.Tools == "", whyMute(r))
}

// whyMute says what a reply without text has in its place.
func whyMute(r *event.Request) string {
	var names []string
	for _, c := range r.Calls {
		names = append(names, c.Function.Name)
	}
	spent := r.Usage.Completion != nil && *r.Usage.Completion >= r.MaxTokens
	switch {
	case len(names) > 0:
		return "it calls " + strings.Join(names, ", ")
	case r.Reasoning != "" && spent:
		return fmt.Sprintf("its reasoning took all of its %d tokens", r.MaxTokens)
	case r.Reasoning != "":
		return "it ends after its reasoning"
	case r.Text != "":
		return "it is white space"
	}
	return "it ended at once, finish reason " + r.Finish
}

// sum notes how many replies said nothing.
func (w *wordless) sum(notes notes) {
	if l := w.replies; l.n > 0 {
		notes.add("reply_without_text", "%d of %d replies have no text and call no tool, first %s: the history keeps them, "+
			"and the model reads them as its own answers", l.n, l.all, l.first)
	}
	if l := w.summaries; l.n > 0 {
		notes.add("summary_without_text", "%d of %d summaries that the model was asked for have no text, first %s: the "+
			"context goes on with an empty one", l.n, l.all, l.first)
	}
	*w = wordless{}
}
