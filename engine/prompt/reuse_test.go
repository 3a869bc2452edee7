package prompt

import (
	"context"
	"testing"

	"homellm/dsl"
)

// TestPrefixes_Estimated holds the ceiling without a tokeniser: a share of characters, labelled.
func TestPrefixes_Estimated(t *testing.T) {
	p := &prefixes{block: 1}
	first := []dsl.Message{{Role: "user", Content: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}
	r := p.before(context.Background(), first)
	if r.source != "estimated" || r.share == nil || *r.share != 0 {
		t.Errorf("the first prompt can reuse nothing: got %+v", r)
	}
	p.after(context.Background(), nil, first, "bbb", 1)
	second := append(first, dsl.Message{Role: "assistant", Content: "bbb"}, dsl.Message{Role: "user", Content: "c"})
	r = p.before(context.Background(), second)
	whole, prefix := len(render(second)), len(render(second[:2]))
	if want := float64(prefix) / float64(whole); r.share == nil || *r.share != want {
		t.Errorf("share %v, want %v: all but the last message stood before", *r.share, want)
	}
}

// TestPrefixes_LastGeneratedToken holds that the last sampled token has no keys and values yet:
// a prompt that goes on exactly there cannot reuse it.
func TestPrefixes_LastGeneratedToken(t *testing.T) {
	tokens := func(_ context.Context, m []dsl.Message) ([]int, error) {
		var ids []int
		for _, x := range m {
			for _, r := range x.Content {
				ids = append(ids, int(r))
			}
		}
		return ids, nil
	}
	p := &prefixes{tokenize: tokens, block: 1}
	ctx := context.Background()
	prompt := []dsl.Message{{Role: "user", Content: "abcd"}}
	r := p.before(ctx, prompt)
	p.after(ctx, r.prompt, prompt, "efgh", 4)
	r = p.before(ctx, []dsl.Message{{Role: "user", Content: "abcdefghijkl"}})
	if r.tokens == nil || *r.tokens != 7 {
		t.Errorf("reusable %v, want 7: four of the prompt and three of the four generated", r.tokens)
	}
}
