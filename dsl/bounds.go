package dsl

import (
	"fmt"
	"strings"
)

// Limits of what a scenario may ask for in all. Each is far above any real scenario; without them a file of some
// kilobytes could keep a machine busy for days, or use all of its memory.
const (
	maxExpanded   = 16 << 20  // bytes of the file times the combinations of its matrix, for each of which it is read
	maxSynthetic  = 4 << 20   // tokens of all synthetic documents of one cell
	maxRequests   = 1_000_000 // requests in a run: cells times passes times turns
	maxTurns      = 50_000    // planned turns: cells times turns
	maxPrompts    = 512 << 20 // bytes of the prompts of all planned turns
	bytesPerToken = 6         // of synthetic text, at most
)

// tooLarge reports a scenario that exceeds a limit.
func (p *planner) tooLarge(format string, args ...any) {
	p.fail("plan/size", "run less at a time: split the scenario, or choose with --include-tags and --max-conversations",
		format, args...)
}

// expandable reports whether the file may be read once for each of the given number of combinations.
func (p *planner) expandable(t *tree, combinations int) bool {
	if combinations*len(t.data) <= maxExpanded {
		return true
	}
	p.tooLarge("a file of %d bytes with %d combinations of its matrix is more than %d MiB of scenarios", len(t.data),
		combinations, maxExpanded>>20)
	return false
}

// bounded reports whether the plan of all cells stays within the limits, before a prompt is rendered or counted.
func (p *planner) bounded(cells []decoded) bool {
	v := volume{}
	for _, c := range cells {
		s := c.scenario
		synthetic := 0
		for _, d := range s.Documents {
			synthetic += d.Tokens
		}
		documents := synthetic
		blocks := map[syntheticKey]bool{}
		for _, conv := range s.Conversations {
			for _, b := range conv.Given.blocks() {
				if key := (syntheticKey{nil, b.Seed, b.Tokens}); !blocks[key] {
					blocks[key] = true
					synthetic += b.Tokens
				}
			}
		}
		if synthetic > maxSynthetic {
			p.tooLarge("the synthetic texts have %d tokens in all, more than %d", synthetic, maxSynthetic)
			return false
		}
		for _, conv := range s.Conversations {
			unwritten := documents + conv.Given.Tokens()
			if err := v.add(conv, s.Run.Repeats+s.Run.Warmup, unwritten*bytesPerToken); err != nil {
				p.tooLarge("conversation %s and those before it: %v", conv.ID, err)
				return false
			}
		}
	}
	return true
}

// volume is what a plan sends.
type volume struct{ turns, requests, bytes int }

// add plays a conversation without replies and counts. The synthetic documents, which have no text yet, count in
// every turn.
func (v *volume) add(c *Conversation, passes, synthetic int) error {
	h := c.Begin()
	h.Retrieve = func(_ string, s Lookup) ([]*Document, error) {
		return []*Document{{ID: s.From, Text: strings.Repeat(" ", s.TopK*s.corpus.Tokens*bytesPerToken)}}, nil
	}
	for _, step := range c.Steps {
		err := step.Play(h, func(t Turn) (Reply, error) {
			v.turns++
			v.requests += passes
			v.bytes += synthetic
			for _, m := range t.Messages {
				v.bytes += len(m.Text())
			}
			kept := t.Recorded()
			if c.History != Recorded {
				kept = t.standIn("")
			}
			return kept, v.check()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *volume) check() error {
	switch {
	case v.turns > maxTurns:
		return fmt.Errorf("more than %d turns would be planned", maxTurns)
	case v.requests > maxRequests:
		return fmt.Errorf("more than %d requests would be sent", maxRequests)
	case v.bytes > maxPrompts:
		return fmt.Errorf("the prompts of one pass have more than %d MiB", maxPrompts>>20)
	}
	return nil
}
