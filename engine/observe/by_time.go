package observe

import (
	"context"

	"homellm/engine/event"
)

// TellsByTime reports whether cached tokens may be derived from the time to the first token: the server does not report
// them, but counts its prompts, and computes one prompt at a time.
func (o *Observer) TellsByTime() bool {
	return !o.cell.Scenario.AtOnce() && o.server.Side != nil && o.Unsupported()["cache"] != "" && o.told.usage
}

// ColdPrompts measures how long a first token takes after prompts that are new to the server, up to the longest of the
// scenario in tokens. If the server reports no cached tokens, the time to the first token of a turn then tells roughly
// how many tokens of its prompt were computed. It returns nil if one of the prompts failed. If they would take longer
// than two minutes, it sends shorter and fewer ones.
func (o *Observer) ColdPrompts(ctx context.Context, longest int) *event.ColdPrompts {
	longest = int(coldMore * float64(longest))
	if takes := o.server.ContextSize; takes > 0 {
		longest = min(longest, takes*9/10)
	}
	o.cold = cold{send: o.server.Send, text: o.server.Side.NewText, notes: o.notes}
	out := o.cold.before(ctx, float64(longest))
	if out == nil && ctx.Err() == nil {
		o.notes.once("cold_prompts_failed", "times do not show how much of a prompt was cached: %s", o.cold.failed)
	}
	return out
}

// ColdAgain measures a few of the prompts again after a repeat. Their times show whether the server is still as fast as
// before. It returns nil if there were none before.
func (o *Observer) ColdAgain(ctx context.Context, repeat int) *event.ColdPrompts {
	return o.cold.again(ctx, repeat)
}
