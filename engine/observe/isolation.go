package observe

import (
	"fmt"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/server"
)

// isolation is what the next prompt has to find of its server's cache.
type isolation struct {
	most   *int  // cached tokens that the next prompt may have; nil: any number
	broken error // it did not isolate
}

// Salted remembers that the next prompt is under a new salt.
func (o *Observer) Salted() { o.isolated(o.server.Lead) }

// Emptied remembers that the server's prefix cache was emptied.
func (o *Observer) Emptied() { o.isolated(0) }

// Restarted remembers that the server was started anew on purpose.
func (o *Observer) Restarted() {
	o.isolated(0)
	o.counters.last = nil
}

func (o *Observer) isolated(most int) {
	o.isolation.most = &most
	o.counters.before = nil
}

// Broken is an isolation that did not isolate; nil if there is none.
func (o *Observer) Broken() error { return o.isolation.broken }

// Unisolated is the error of an isolation that fails, at the place of the server's profile.
func Unisolated(profile *dsl.Server, format string, args ...any) error {
	return server.WithHint(profile.Errorf(format, args...), "use another isolation: run.isolation.cache: salt, reset, restart or none")
}

// checkIsolation holds the first prompt after an isolation against what isolation means.
func (o *Observer) checkIsolation(r *event.Request) {
	most := o.isolation.most
	// After a request that failed nothing is certain any more: the server may have read its prompt.
	o.isolation.most = nil
	if most == nil || r.Err != nil {
		return
	}
	if r.Cached == nil || *r.Cached <= *most {
		return
	}
	o.isolation.broken = server.WithHint(
		fmt.Errorf("isolation by %s: the first prompt of its scope (%s/%s) had %d cached tokens: %w", o.cell.Scenario.Run.Cache, r.Conversation, r.Step, *r.Cached, server.ErrNotReset),
		"use another isolation: run.isolation.cache: restart is certain",
	)
}
