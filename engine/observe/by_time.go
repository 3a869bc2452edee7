package observe

import (
	"context"

	"homellm/engine/event"
)

// TellsByTime says whether the time to a first token may tell what the server had in its cache: it does not report that
// itself, and counts its prompts.
func (o *Observer) TellsByTime() bool {
	return o.server.Side != nil && o.Unsupported()["cache"] != "" && o.told.usage
}

// ColdPrompts measures how long a first token takes after prompts that are new to the server, up to the longest of the
// scenario in tokens. Where the server reports no cached tokens, the time to the first token of a turn then tells about
// how many of its prompt were computed. It returns nil where one of them failed. A server that would take longer than
// two minutes is sent shorter ones, and fewer.
func (o *Observer) ColdPrompts(ctx context.Context, longest int) *event.ColdPrompts {
	longest = int(coldMore * float64(longest))
	if takes := o.server.ContextSize; takes > 0 {
		longest = min(longest, takes*9/10)
	}
	o.cold = cold{send: o.server.Send, text: o.server.Side.NewText, notes: o.notes}
	out := o.cold.before(ctx, float64(longest))
	if out == nil && ctx.Err() == nil {
		o.notes.once("cold_prompts_failed", "how much of a prompt was cached is not told by time: %s", o.cold.failed)
	}
	return out
}

// ColdAgain measures a few of the prompts again after a repeat. What they take shows whether the server is still as
// fast as it was. It returns nil where there were none before.
func (o *Observer) ColdAgain(ctx context.Context, repeat int) *event.ColdPrompts {
	return o.cold.again(ctx, repeat)
}
