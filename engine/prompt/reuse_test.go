package prompt

import (
	"context"
	"slices"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/wire"
)

// TestPrefixes_Estimated checks the ceiling without a tokeniser: a share of characters, labelled.
func TestPrefixes_Estimated(t *testing.T) {
	p := &prefixes{block: 1}
	first := []dsl.Message{{Role: "user", Content: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}
	r := p.before(context.Background(), first)
	if r.source != "estimated" || r.share == nil || *r.share != 0 {
		t.Errorf("the first prompt can reuse nothing: got %+v", r)
	}
	p.after(context.Background(), nil, first, dsl.Message{Role: "assistant", Content: "bbb"}, 1)
	second := append(first, dsl.Message{Role: "assistant", Content: "bbb"}, dsl.Message{Role: "user", Content: "c"})
	r = p.before(context.Background(), second)
	whole, prefix := len(render(second)), len(render(second[:2]))
	if want := float64(prefix) / float64(whole); r.share == nil || *r.share != want {
		t.Errorf("share %v, want %v: all but the last message stood before", *r.share, want)
	}
}

// TestPrefixes_LastGeneratedToken checks that the last sampled token has no keys and values yet: a prompt that
// continues exactly there cannot reuse it.
func TestPrefixes_LastGeneratedToken(t *testing.T) {
	tokens := func(_ context.Context, m []dsl.Message, then ...dsl.Message) ([]int, error) {
		var ids []int
		for _, x := range slices.Concat(m, then) {
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
	p.after(ctx, r.prompt, prompt, dsl.Message{Role: "assistant", Content: "efgh"}, 4)
	r = p.before(ctx, []dsl.Message{{Role: "user", Content: "abcdefghijkl"}})
	if r.tokens == nil || *r.tokens != 7 {
		t.Errorf("reusable %v, want 7: four of the prompt and three of the four generated", r.tokens)
	}
}

// TestCeiling_LeadOfTheTemplate checks that what a template puts before a salt counts as part of every prompt, and that
// it is tokenised for each salt, because some tokenisers join a letter with the space before it.
func TestCeiling_LeadOfTheTemplate(t *testing.T) {
	tokens := func(_ context.Context, m []dsl.Message, _ ...wire.Tool) ([]int, error) {
		text := "<|im_start|>" + m[0].Content
		var ids []int
		for i, r := range text {
			if r == ' ' && i+1 < len(text) && text[i+1] >= 'a' && text[i+1] <= 'f' {
				continue // " c" is one token
			}
			ids = append(ids, int(r))
		}
		return ids, nil
	}
	cell := &dsl.Cell{Server: &dsl.Server{}, Scenario: &dsl.Scenario{}}
	m := New(cell, NewTemplates(nil, nil), nil, Server{Block: 1, Tokenize: tokens})
	lead := len("<|im_start|>[session")
	ceilingOf := func(salt string) (Request, Ceiling) {
		m.Use(salt)
		r := m.Turn(&dsl.Step{}, dsl.Turn{Messages: []dsl.Message{{Role: "user", Content: "Hello"}}})
		return r, m.Ceiling(t.Context(), r)
	}
	for _, s := range []struct {
		salt string
		want int
	}{
		{"17ab", lead + 1}, {"c0de", lead},
		{"17ff", lead + 1 + 2}, // as much of 17ab is in the cache
		{"c1de", lead + 1},
	} {
		r, c := ceilingOf(s.salt)
		if c.tokens == nil || *c.tokens != s.want {
			t.Errorf("salt %s: ceiling %v, want %d", s.salt, c.tokens, s.want)
		}
		m.Remember(t.Context(), r, c, &event.Exchange{Sent: new(time.Duration(1)), Status: 200})
	}
	m.Forget()
	if _, c := ceilingOf("17ba"); *c.tokens != lead+1 {
		t.Errorf("an emptied cache: ceiling %d, want %d", *c.tokens, lead+1)
	}
}

// TestTell_LearnsTheLead checks that without a tokeniser the first reply under a new salt shows how many tokens come
// before it.
func TestTell_LearnsTheLead(t *testing.T) {
	cell := &dsl.Cell{Server: &dsl.Server{}, Scenario: &dsl.Scenario{}}
	m := New(cell, NewTemplates(nil, nil), nil, Server{Block: 1})
	for salt, said := range map[string]int{"17ab": 6, "c0de": 90} {
		m.lead = 0
		m.Use(salt)
		r := m.Turn(&dsl.Step{}, dsl.Turn{Messages: []dsl.Message{{Role: "user", Content: "Hello"}}})
		q := &event.Request{}
		q.Usage.Prompt, q.Usage.Cached = new(100), &said
		c := m.Ceiling(t.Context(), r)
		m.Tell(t.Context(), r, &c, q)
		if want := map[int]int{6: 6, 90: 0}[said]; q.Reusable == nil || *q.Reusable != want {
			t.Errorf("%d cached tokens of a new salt: ceiling %v, want %d", said, q.Reusable, want)
		}
	}
}

// TestRemember_Thoughts checks that the thoughts of a reply count as seen by the server if they go back to it, and the
// rest of the reply with them.
func TestRemember_Thoughts(t *testing.T) {
	tokens := func(_ context.Context, messages []dsl.Message, _ ...wire.Tool) ([]int, error) {
		var ids []int
		for _, m := range messages {
			for _, r := range "<" + m.Role + ">" + m.Thoughts() + m.Content {
				ids = append(ids, int(r))
			}
		}
		for _, r := range "<assistant>" {
			ids = append(ids, int(r))
		}
		return ids, nil
	}
	for name, c := range map[string]struct {
		reads bool
		want  int
	}{
		"read": {true, len("<user>first<assistant>why41")}, "not read": {false, len("<user>first<assistant>")},
	} {
		m := New(&dsl.Cell{Server: &dsl.Server{}, Scenario: &dsl.Scenario{}}, NewTemplates(nil, nil), nil,
			Server{Engine: "vllm", Block: 1, Tokenize: tokens, Thoughts: &c.reads})
		messages := []dsl.Message{{Role: "user", Content: "first"}}
		r := m.Turn(&dsl.Step{}, dsl.Turn{Messages: messages})
		e := &event.Exchange{Sent: new(time.Second), Text: "41", Reasoning: "why"}
		e.Usage.Completion = new(6)
		m.Remember(t.Context(), r, m.Ceiling(t.Context(), r), e)
		messages = append(messages, dsl.Message{Role: "assistant", Content: "41", ReasoningContent: "why"},
			dsl.Message{Role: "user", Content: "second"})
		again := m.Turn(&dsl.Step{}, dsl.Turn{Messages: messages})
		if got := again.Messages[1].Reasoning; (got == "why") != c.reads || again.Messages[1].ReasoningContent != "" {
			t.Errorf("%s: %+v goes back", name, again.Messages[1])
		}
		if got := m.Ceiling(t.Context(), again).tokens; got == nil || *got != c.want {
			t.Errorf("%s: ceiling %v, want %d", name, got, c.want)
		}
	}
}
