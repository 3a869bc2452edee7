package observe

import (
	"context"
	"fmt"
	"slices"

	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/server"
)

// Proof is what a server showed of itself in replies that are not part of a scenario. What it shows decides what the
// server can tell, whatever is known of its engine and whatever its profile says.
type Proof struct {
	Report server.Report // of cached tokens
	told   told
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

// Saw takes in one more reply.
func (p *Proof) Saw(e *event.Exchange) {
	if e.Err == nil {
		p.told.add(e)
	}
}

// SelfTested are the capabilities that replies decide.
var SelfTested = []string{"usage", "cache_report"}

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
