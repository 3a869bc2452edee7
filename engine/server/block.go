package server

import (
	"context"
	"strings"
)

// shared are prompt lengths in tokens of which caches with different usual block sizes keep different numbers. Those
// that fit the context are taken, the longest of each first, so that the server computes little for the others.
var shared = [][3]int{{1151, 1023, 1088}, {639, 511, 576}, {383, 255, 320}}

// fill is a word that is one token in every vocabulary.
const fill = " the"

// kept returns how many tokens of a repeated prompt were cached.
type kept struct{ prompt, cached int }

// learnBlock finds the cache's block size from what it keeps of prompts of known lengths; the third prompt has to
// confirm the first two. If it cannot be found, the report is unchanged. The error is the context's.
func (t *selfTest) learnBlock(ctx context.Context, report *Report, context int) error {
	head := canary(t.side.config.Draw, canaryBlock)
	reply, _, err := t.once(ctx, head)
	if err != nil || reply.Prompt == nil {
		return ctx.Err()
	}
	for _, lengths := range shared {
		if context > 0 && lengths[0] >= context || lengths[2] <= *reply.Prompt {
			continue
		}
		var seen []kept
		for _, n := range lengths {
			prompt := head + strings.Repeat(fill, n-*reply.Prompt)
			k, ok := t.repeated(ctx, *report, prompt)
			if !ok {
				break
			}
			report.prompt = prompt
			seen = append(seen, k)
		}
		if len(seen) > 0 {
			report.Block = blockOf(seen)
			break
		} // otherwise it may exceed the server's context
	}
	return ctx.Err()
}

// repeated sends a prompt twice and returns how much of it was cached; false if unknown.
func (t *selfTest) repeated(ctx context.Context, report Report, prompt string) (kept, bool) {
	if _, _, err := t.once(ctx, prompt); err != nil {
		return kept{}, false
	}
	reply, delta, err := t.once(ctx, prompt)
	if err != nil || reply.Prompt == nil {
		return kept{}, false
	}
	n, _, _, _ := report.Cached(reply, delta, true)
	if n == nil {
		return kept{}, false
	}
	return kept{*reply.Prompt, *n}, true
}

// blockOf is the only block size that explains the cached tokens: whole blocks, and never the last token of a prompt.
// It is 0 if there is none, if there are several, or if too little was seen to tell them apart.
func blockOf(seen []kept) int {
	if len(seen) < len(shared[0]) {
		return 0
	}
	found := 0
	for block := 1; block < seen[0].prompt; block++ {
		fits := true
		for _, k := range seen {
			fits = fits && k.cached == (k.prompt-1)/block*block
		}
		switch {
		case fits && found > 0:
			return 0
		case fits:
			found = block
		}
	}
	return found
}
