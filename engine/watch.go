package engine

import (
	"fmt"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// clockJump is by how much the wall clock and the monotonic clock may part during one turn before
// that is worth a word. Corrections by a time service stay far below it.
const clockJump = 2 * time.Second

// clocks notices that the wall clock moved against the monotonic one. On Linux the monotonic
// clock stands still while the machine sleeps, so that a sleep shows as a jump as well.
type clocks struct {
	wall  func() time.Time
	start time.Time // by the monotonic clock
	ahead time.Duration
}

func newClocks(wall func() time.Time) *clocks {
	if wall == nil {
		wall = time.Now
	}
	c := &clocks{wall: wall, start: time.Now()}
	c.jumped()
	return c
}

// jumped returns how far the wall clock moved against the monotonic one since the last call.
func (c *clocks) jumped() time.Duration {
	ahead := c.wall().Round(0).Sub(c.start.Round(0)) - time.Since(c.start)
	moved := ahead - c.ahead
	c.ahead = ahead
	return moved
}

// seen is what a session remembers of the replies so far, to notice that the server is no longer
// the one that it was.
type seen struct {
	model  string // as the first reply names it
	prompt string // of the turn before, in the same conversation
	tokens *int   // what the server counted of it
}

// watch looks at a finished request for signs that the numbers are not what they seem, and puts
// a note beside them.
func (s *session) watch(r event.Request) {
	where := whereIs(&r)
	if d := s.run.clocks.jumped(); d.Abs() >= clockJump {
		s.note("clock_jump", "%s: the wall clock moved by %v against the monotonic one: the machine slept or its clock was set, and the times of this turn may be wrong", where, d.Round(time.Second))
	}
	if r.Wire.Resent {
		s.note("resent", "%s: the kept connection ended as the request went out, before anything came back: "+
			"it was sent once more on a new one, and its times count from then", where)
	}
	if r.Err != nil {
		return
	}
	if metrics.Miscounted(&r) {
		s.once("usage_wrong", "%s: the reply came in %d pieces of text and reports %d output tokens, which cannot be: what rests on its output tokens is unknown", where, len(r.Chunks), *r.Usage.Completion)
	}
	if m := r.Wire.Model; m != "" {
		if s.seen.model == "" {
			s.seen.model = m
		} else if m != s.seen.model {
			s.note("model_swapped", "%s: the reply names the model %q, earlier ones named %q", where, m, s.seen.model)
			s.seen.model = m
		}
	}
}

// whereIs names a turn for people.
func whereIs(r *event.Request) string {
	kind := "repeat"
	if r.Warmup {
		kind = "warm-up"
	}
	return fmt.Sprintf("%s/%s turn %d, %s %d", r.Conversation, r.Step, r.Turn, kind, r.Repeat)
}

// note puts a remark beside the cell. What is noticed before an attempt begins is told when it has:
// its beginning replaces everything that an earlier attempt left.
func (s *session) note(code, format string, args ...any) {
	n := event.Note{Code: code, Text: fmt.Sprintf(format, args...)}
	if !s.started {
		s.early = append(s.early, n)
		return
	}
	s.run.out.emit(s.cell.ID, n)
}

// tell emits the notes that had to wait.
func (s *session) tell() {
	for _, n := range s.early {
		s.run.out.emit(s.cell.ID, n)
	}
	s.early = nil
}
