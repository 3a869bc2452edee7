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

// Proof is what a server showed of itself in replies that are not part of a scenario. What it shows decides what the
// server can tell, whatever is known of its engine and whatever its profile says.
type Proof struct {
	Report server.Report // of cached tokens
	told   told
	stream stream
}

// Prove sends the self-test of the report of cached tokens. The error is about requests that failed.
func Prove(ctx context.Context, side *server.Side, known server.Known, send Send) (*Proof, error) {
	p := &Proof{}
	report, err := side.SelfTest(ctx, known, p.told.listen(send, ""))
	if err != nil {
		return p, err
	}
	p.Report = report
	return p, nil
}

// ProveStream asks a server for a few tokens in answer to a new prompt, to see whether it sends them as it generates
// them. A server that refuses, or generates too little, shows nothing; one that seems to hold its replies back is asked
// again, for a machine that is busy holds one back now and then.
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

// Saw takes in one more reply.
func (p *Proof) Saw(e *event.Exchange) {
	if e.Err == nil {
		p.told.add(e)
	}
}

// SelfTested are the capabilities that replies decide.
var SelfTested = []string{"usage", "cache_report", "streaming"}

// Buffered says why a reply was not sent as it was generated; empty if it was, as far as can be told.
func (p *Proof) Buffered(e *event.Exchange) string { return metrics.Buffered(e, p.stream.pace) }

// Held says how the replies of the server are held back; empty if they are not, as far as was seen.
func (p *Proof) Held() string { return p.stream.held }

// Open are those of them that these replies have not decided.
func (p *Proof) Open() []string {
	return slices.DeleteFunc(slices.Clone(SelfTested), func(name string) bool {
		_, decided := p.capability(name)
		return decided
	})
}

// noCounts is what is said of a server whose replies count no tokens.
const noCounts = "the server's replies hold no token counts"

// capability is what the replies showed of a capability; false if it is none that replies show, or if there were none.
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

// Refine replaces what is known of an engine by what this server showed.
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

// Lacking says which of the capabilities that a scenario requires the server does not have.
func (p *Proof) Lacking(required []string, server string) error {
	for _, name := range required {
		if seen, ok := p.capability(name); ok && !seen.OK {
			return fmt.Errorf("the scenario requires %s, and server %s cannot tell it: %s", name, server, seen.How)
		}
	}
	return nil
}
