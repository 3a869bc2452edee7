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

// Unisolated is the error of an isolation that fails, at the place of the server's profile.
func Unisolated(profile *dsl.Server, format string, args ...any) error {
	return server.WithHint(profile.Errorf(format, args...),
		"use another isolation: run.isolation.cache: salt, reset, restart or none")
}

// check holds the first prompt after an isolation against what isolation means.
func (i *isolation) check(r *event.Request, by dsl.Isolation) {
	most := i.most
	// After a request that failed nothing is certain any more: the server may have read its prompt.
	i.most = nil
	if most == nil || r.Err != nil {
		return
	}
	if r.Cached == nil || *r.Cached <= *most {
		return
	}
	i.broken = server.WithHint(
		fmt.Errorf("isolation by %s: the first prompt of its scope (%s/%s) had %d cached tokens: %w", by, r.Conversation,
			r.Step, *r.Cached, server.ErrNotReset),
		"use another isolation: run.isolation.cache: restart is certain",
	)
}
