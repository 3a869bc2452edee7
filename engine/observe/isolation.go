package observe

import (
	"fmt"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/server"
)

// isolation is the expected state of the server's cache for the next prompt.
type isolation struct {
	most   *int  // most cached tokens that the next prompt may have; nil: any number
	broken error // set when the cache was not isolated
}

// Unisolated is the error of an isolation that fails, placed at the server's profile.
func Unisolated(profile *dsl.Server, format string, args ...any) error {
	return server.WithHint(profile.Errorf(format, args...),
		"use another isolation: run.isolation.cache: salt, reset, restart or none")
}

// check compares the cached tokens of the first prompt after an isolation with what the isolation allows.
func (i *isolation) check(most *int, r *event.Request, by dsl.Isolation) {
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
