package dsl

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/wire"
)

// standIn replaces a reply that only a server can give.
const standIn = "\x00reply"

// doneTurn is one request in the input of [does].
type doneTurn struct {
	Conversation, Step string
	Turn               int
	Phase              figure.Phase
	Prefill            bool
	MaxTokens          int // if it differs from the request's
	Request            Sampling
	Kept               int       // number of messages at the beginning that the previous request had too
	Messages           []Message // the messages after these
}

// doneWait is a wait between two requests.
type doneWait struct{ Wait time.Duration }

// doneRetrieval is a search before a request.
type doneRetrieval struct {
	Query, From string
	TopK        int
	Rerank      bool `json:",omitempty"`
}

// doneCorpus is what is searched: its chunks, as they are embedded.
type doneCorpus struct {
	ID     string
	Chunks []string
}

// doneTools are the tools of a conversation, and what they answer.
type doneTools struct {
	Tools   []wire.Tool
	Results []*Tool
}

// doneRun is the settings of a run that affect what a server gets, when, and what it has seen before. The number of
// repeats does not.
type doneRun struct {
	Warmup   int
	Order    Order
	Cooldown time.Duration
	Cache    Isolation
	Scope    Span
	Play     Play          `json:",omitempty"`
	Users    int           `json:",omitempty"`
	Think    Think         `json:",omitzero"`
	Ramp     time.Duration `json:",omitempty"`
	Duration time.Duration `json:",omitempty"`
}

// does is a digest of what a cell does: every message and option of one repeat's requests, by the names of their
// steps. The way a file is written, and what is only shown or judged (comments, titles, assertions), is not part of
// it.
func does(s *Scenario) string {
	sum := sha256.New()
	out := json.NewEncoder(sum)
	keep := func(v any) {
		if err := out.Encode(v); err != nil {
			fmt.Fprintln(sum, err) // a number that JSON cannot hold, which the error names
		}
	}
	run := s.Run
	keep(doneRun{run.Warmup, run.Order, run.Cooldown, run.Cache, run.Scope, run.Play, run.Users, run.Think, run.Ramp,
		run.Duration})
	for _, c := range s.Corpora {
		keep(doneCorpus{c.ID, c.Texts()})
	}
	for _, c := range s.Conversations {
		h := c.Begin()
		if len(c.Tools) > 0 {
			keep(doneTools{told(c.Tools), c.Tools})
		}
		h.Pause = func(d time.Duration) error { keep(doneWait{d}); return nil }
		h.Retrieve = func(_ string, a Lookup) ([]*Document, error) {
			keep(doneRetrieval{a.Query, a.From, a.TopK, a.Rerank})
			return []*Document{{ID: a.From, Text: standIn}}, nil
		}
		var last []Message
		for _, step := range c.Steps {
			if step.Do == nil {
				continue
			}
			err := step.Play(h, func(t Turn) (Reply, error) {
				kept := 0
				for kept < min(len(last), len(t.Messages)) && last[kept].Equal(t.Messages[kept]) {
					kept++
				}
				last = t.Messages
				keep(doneTurn{c.ID, step.ID, t.N, t.Phase, t.Prefill, t.MaxTokens, step.Request, kept, t.Messages[kept:]})
				if kept := t.Recorded(); c.History == Recorded && (kept.Text != "" || kept.Calls != nil) {
					return kept, nil
				}
				return Reply{Text: standIn}, nil
			})
			if err != nil {
				keep(err.Error()) // it cannot be played, as the plan says
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
