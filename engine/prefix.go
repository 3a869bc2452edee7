package engine

import (
	"context"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/engine/event"
)

// prefixes knows every token sequence that a server has seen under one salt, and from them the
// ceiling of any prefix cache for the next prompt. Without a tokeniser it compares the rendered
// characters and scales, which it says.
type prefixes struct {
	tokenize func(context.Context, []dsl.Message) ([]int, error) // nil: the server has no tokeniser
	block    int                                                 // tokens in one block of the cache
	seen     [][]int
	texts    []string
	lost     string // why a prompt that the server has seen is not among them
}

// reusable is what a prefix cache could serve of one prompt.
type reusable struct {
	tokens *int
	share  *float64 // of the prompt's characters, when tokens are not known
	source string   // tokens | estimated
	why    string
	prompt []int
}

// before looks at a prompt that is about to be sent.
func (p *prefixes) before(ctx context.Context, messages []dsl.Message) reusable {
	if p.tokenize == nil {
		text := render(messages)
		best := 0
		for _, t := range p.texts {
			best = max(best, commonText(t, text))
		}
		if len(text) == 0 {
			return reusable{source: "estimated", why: "empty prompt"}
		}
		share := float64(best) / float64(len(text))
		return reusable{share: &share, source: "estimated"}
	}
	ids, err := p.tokenize(ctx, messages)
	if err != nil {
		return reusable{source: "tokens", why: "tokenising the prompt: " + err.Error()}
	}
	if p.lost != "" {
		return reusable{source: "tokens", why: p.lost, prompt: ids}
	}
	best := 0
	for _, s := range p.seen {
		best = max(best, common(s, ids))
	}
	n := wholeBlocks(best, len(ids), p.block)
	return reusable{tokens: &n, source: "tokens", prompt: ids}
}

// remember takes in what an exchange may have left in the server's cache. A request that failed
// after the server had taken it counts with its prompt: the ceiling must not lie below what the
// next prompt can find. Of a reply with reasoning only the prompt counts, for the answer stands
// behind a text there that no later prompt repeats.
func (p *prefixes) remember(ctx context.Context, found reusable, messages []dsl.Message, e *event.Exchange) {
	if e.Err != nil && (e.Sent == nil || e.Status >= 300) {
		return
	}
	if p.tokenize != nil && found.prompt == nil {
		p.lost = "an earlier prompt of the same cache could not be tokenised"
		return
	}
	reply, completion := e.Text, 0
	if e.Err != nil || e.Reasoning != "" || e.Usage.Reasoning != nil && *e.Usage.Reasoning > 0 {
		reply = ""
	}
	if e.Usage.Completion != nil {
		completion = *e.Usage.Completion
	}
	p.after(ctx, found.prompt, messages, reply, completion)
}

// after remembers what the server has now: the prompt and what it generated, but for the last
// token, whose keys and values were never computed.
func (p *prefixes) after(ctx context.Context, prompt []int, messages []dsl.Message, reply string, completion int) {
	if p.tokenize == nil {
		p.texts = append(p.texts, render(append(slices.Clone(messages), dsl.Message{Role: "assistant", Content: reply})))
		return
	}
	seen := prompt
	if reply != "" && completion > 1 {
		with := append(slices.Clone(messages), dsl.Message{Role: "assistant", Content: reply})
		if ids, err := p.tokenize(ctx, with); err == nil && common(ids, prompt) == len(prompt) {
			seen = ids[:min(len(ids), len(prompt)+completion-1)]
		}
	}
	p.seen = append(p.seen, seen)
}

// wholeBlocks is the part of a common prefix that a block-hashed cache can serve: whole blocks,
// and never the last token of the prompt, which is always computed to get its logits.
func wholeBlocks(common, prompt, block int) int {
	block = max(block, 1)
	return max(min(common, prompt-1), 0) / block * block
}

func common(a, b []int) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func commonText(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// render stands in for a chat template where only shares of characters are needed.
func render(messages []dsl.Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.WriteString("<|")
		b.WriteString(m.Role)
		b.WriteString("|>\n")
		b.WriteString(m.Content)
		b.WriteString("\n")
	}
	return b.String()
}
