package observe

import (
	"strings"
	"testing"

	"homellm/engine/server"
)

// What a cache was seen to keep counts, and a profile that says something else is told so once.
func TestAdoptBlock(t *testing.T) {
	for _, c := range []struct {
		name         string
		said, learnt int
		want         int
		note         bool
	}{
		{name: "not known before", learnt: 128, want: 128},
		{name: "as the profile says", said: 16, learnt: 16, want: 16},
		{name: "another one than the profile says", said: 16, learnt: 128, want: 128, note: true},
		{name: "not learnt", said: 16, want: 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, notes := alone(Server{Block: c.said})
			o.report = server.Report{Block: c.learnt}
			o.adoptBlock()
			o.adoptBlock()
			if o.Block() != c.want {
				t.Errorf("blocks of %d tokens, want %d", o.Block(), c.want)
			}
			if n := strings.Count(notes.String(), "block_learnt: the prefix cache keeps blocks of 128 tokens, and the "+
				"profile says 16"); n != map[bool]int{true: 1}[c.note] {
				t.Errorf("notes %q", notes)
			}
		})
	}
}
