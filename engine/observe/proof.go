package observe

import (
	"context"
	"fmt"
	"slices"

	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/server"
)

// Proof is what a server showed in replies that are not part of a scenario. It overrides what is known of its engine
// and what its profile says.
type Proof struct {
	Report server.Report // of cached tokens
	told   replyFacts
	stream stream
}

// Prove runs the self-test of the report of cached tokens. It returns an error if its requests failed.
func Prove(ctx context.Context, side *server.Side, known server.Known, send Send) (*Proof, error) {
	p := &Proof{}
	report, err := side.SelfTest(ctx, known, p.told.listen(send, ""))
	if err != nil {
		return p, err
	}
	p.Report = report
	return p, nil
}

// ProveStream asks a server for a few tokens after a new prompt, to see whether it sends them as it generates them.
// If the server refuses or generates too little, nothing is known. If it seems to hold its reply back it is asked
// again, because a busy machine may delay one.
func (p *Proof) ProveStream(ctx context.Context, side *server.Side, ask Ask) {
	for range 2 {
		e := ask(ctx, side.NewPrompt(streamWords)+" repeat all of these words", streamTokens)
		p.stream.held = ""
		p.stream.learn(&e)
		if p.stream.see(&e); p.stream.held == "" {
			return
		}
	}
}

// Add records one more reply.
func (p *Proof) Add(e *event.Exchange) {
	if e.Err == nil {
		p.told.add(e)
	}
}

// SelfTested are the capabilities that replies decide.
var SelfTested = []string{"usage", "cache_report", "streaming"}

// Buffered says why a reply was not sent as it was generated; empty if nothing shows that.
func (p *Proof) Buffered(e *event.Exchange) string { return metrics.Buffered(e, p.stream.pace) }

// HeldBack says how the server holds replies back; empty if no reply showed that.
func (p *Proof) HeldBack() string { return p.stream.held }

// Undecided are the self-tested capabilities that these replies have not decided.
func (p *Proof) Undecided() []string {
	return slices.DeleteFunc(slices.Clone(SelfTested), func(name string) bool {
		_, decided := p.capability(name)
		return decided
	})
}

// noCounts is the reason where replies count no tokens.
const noCounts = "the server's replies hold no token counts"

// capability is what the replies showed of a capability; false if they showed nothing of it.
func (p *Proof) capability(name string) (engines.Capability, bool) {
	if p.told.replies == 0 {
		return engines.Capability{}, false
	}
	switch name {
	case "streaming":
		return p.stream.capability()
	case "usage":
		if p.told.usage {
			return engines.Capability{Name: name, OK: true, How: "the replies count prompt and generated tokens"}, true
		}
		return engines.Capability{Name: name, How: noCounts}, true
	case "cache_report":
		if p.Report.Proven() {
			return engines.Capability{Name: name, OK: true, How: p.Report.How()}, true
		}
		return engines.Capability{Name: name, How: p.Report.Why}, p.Report.Why != ""
	}
	return engines.Capability{}, false
}

// Refine replaces the known capabilities of an engine by what this server showed.
func (p *Proof) Refine(known []engines.Capability) []engines.Capability {
	out := slices.Clone(known)
	for i, c := range out {
		if seen, ok := p.capability(c.Name); ok {
			out[i] = seen
		}
	}
	if seen, ok := p.stream.capability(); ok {
		out = append(out, seen)
	}
	return out
}

// Lacking is an error that names a required capability which the server does not have, or nil.
func (p *Proof) Lacking(required []string, server string) error {
	for _, name := range required {
		if seen, ok := p.capability(name); ok && !seen.OK {
			return fmt.Errorf("the scenario requires %s, and server %s does not report it: %s", name, server, seen.How)
		}
	}
	return nil
}
