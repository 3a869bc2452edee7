package dsl

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"homellm/dsl/figure"
)

// standIn takes the place of a reply that only a server can give.
const standIn = "\x00reply"

// doneTurn is one request as [does] has it.
type doneTurn struct {
	Conversation, Step string
	Turn               int
	Phase              figure.Phase
	Prefill            bool
	MaxTokens          int // where it is not the request's own
	Request            Sampling
	Kept               int       // messages that the request before began with as well
	Messages           []Message // after these
}

// doneRun is what of the settings of a run bears on what a server is sent, when, and what it has seen before. How
// often that is repeated does not.
type doneRun struct {
	Warmup   int
	Order    Order
	Cooldown time.Duration
	Cache    Isolation
	Scope    Span
}

// does is a digest of what a cell does: every message and option of one repeat's requests, by the names of their
// steps. How a file says it is not in it, nor what is only shown or judged: comments, titles, assertions.
func does(s *Scenario) string {
	sum := sha256.New()
	out := json.NewEncoder(sum)
	keep := func(v any) {
		if err := out.Encode(v); err != nil {
			fmt.Fprintln(sum, err) // a number that JSON has no word for, which the error names
		}
	}
	keep(doneRun{s.Run.Warmup, s.Run.Order, s.Run.Cooldown, s.Run.Cache, s.Run.Scope})
	for _, c := range s.Conversations {
		h := NewHistory(c.System)
		var last []Message
		for _, step := range c.Steps {
			if step.Do == nil {
				continue
			}
			err := step.Do.Play(h, func(t Turn) (string, error) {
				kept := 0
				for kept < min(len(last), len(t.Messages)) && last[kept].Equal(t.Messages[kept]) {
					kept++
				}
				last = t.Messages
				keep(doneTurn{c.ID, step.ID, t.N, t.Phase, t.Prefill, t.MaxTokens, step.Request, kept, t.Messages[kept:]})
				if c.History == Recorded && t.Reply != "" {
					return t.Reply, nil
				}
				return standIn, nil
			})
			if err != nil {
				keep(err.Error()) // it cannot be played, which the plan says
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
