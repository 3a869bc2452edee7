package prompt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/wire"
)

// chat makes n messages of the roles of a chat.
func chat(n int) []dsl.Message {
	out := []dsl.Message{{Role: "system", Content: "Be brief."}}
	for i := 1; i < n; i++ {
		role := []string{"assistant", "user"}[i%2]
		out = append(out, dsl.Message{Role: role, Content: fmt.Sprintf("%s number %d", role, i)})
	}
	return out
}

// byTemplate tokenises what a template makes of messages: words, of which two that stand together may be one token.
func byTemplate(sent *int, template func([]dsl.Message) string) tokenize {
	return func(_ context.Context, messages []dsl.Message, then ...dsl.Message) ([]int, error) {
		messages = append(slices.Clip(messages), then...)
		*sent += len(messages)
		var ids []int
		for _, word := range strings.SplitAfter(template(messages), " ") {
			id := 7
			for _, r := range word {
				id = id*31 + int(r)
			}
			ids = append(ids, id)
		}
		return ids, nil
	}
}

func chatML(messages []dsl.Message) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "<|im_start|> %s\n %s <|im_end|> ", m.Role, m.Content)
	}
	return b.String() + "<|im_start|> assistant\n"
}

// The tokens of a growing conversation equal those of the whole, and the server is sent only a few messages for each
// turn.
func TestTokenGrower_IsTheWhole(t *testing.T) {
	sent, ignored := 0, 0
	ask, whole := byTemplate(&sent, chatML), byTemplate(&ignored, chatML)
	var g tokenGrower
	messages := chat(600)
	var held, copied []int
	for n := 2; n <= len(messages); n++ {
		if messages[n-1].Role == "assistant" {
			continue
		}
		other := []dsl.Message{{Role: "assistant", Content: "not what is kept"}}
		for _, then := range [][]dsl.Message{nil, other, messages[n:min(n+1, len(messages))]} {
			got, err := g.tokenize(t.Context(), ask, messages[:n], then...)
			want, _ := whole(t.Context(), messages[:n], then...)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%d messages and %d: %d tokens, want %d (%v)", n, len(then), len(got), len(want), err)
			}
			if !slices.Equal(held, copied) {
				t.Fatalf("%d messages: the tokens of the prompt before were changed", n)
			}
			held, copied = got, slices.Clone(got)
		}
	}
	if most := 40 * len(messages); sent > most || g.apart {
		t.Errorf("the server was sent %d messages in all, want at most %d", sent, most)
	}
}

// A template that looks at more than the ends of a conversation is found out, by a comparison with the whole or by the
// count of a reply, and a conversation that is edited is tokenised whole.
func TestTokenGrower_LooksFarther(t *testing.T) {
	for name, template := range map[string]func([]dsl.Message) string{
		"length":  func(m []dsl.Message) string { return fmt.Sprintf("%d messages: %s", len(m), chatML(m)) },
		"numbers": func(m []dsl.Message) string { return chatML(m) + strings.Repeat("x ", len(m)/10) },
		"once": func(m []dsl.Message) string { // no short conversation shows it
			if len(m) <= 60 {
				return chatML(m)
			}
			return chatML(m[:60]) + "and so on " + chatML(m[60:])
		},
		"index": func(m []dsl.Message) string {
			out := ""
			for i, x := range m {
				out += fmt.Sprintf("%d: %s ", i, x.Content)
			}
			return out
		},
	} {
		sent := 0
		ask := byTemplate(&sent, template)
		var g tokenGrower
		messages, wrong := chat(600), 0
		for n := 2; n <= len(messages); n += 2 {
			got, _ := g.tokenize(t.Context(), ask, messages[:n])
			if want, _ := ask(t.Context(), messages[:n]); !slices.Equal(got, want) {
				wrong++
			}
		}
		if wrong > 16 {
			t.Errorf("%s: %d prompts are wrong, want at most those before the first comparison", name, wrong)
		}
	}
	sent := 0
	ask := byTemplate(&sent, chatML)
	var g tokenGrower
	messages := chat(200)
	_, _ = g.tokenize(t.Context(), ask, messages)
	edited := slices.Delete(slices.Clone(messages), 20, 22)
	got, err := g.tokenize(t.Context(), ask, edited)
	if want, _ := ask(t.Context(), edited); err != nil || !slices.Equal(got, want) {
		t.Error("a conversation that was edited has the tokens of the one before")
	}
	refuse := func(context.Context, []dsl.Message, ...dsl.Message) ([]int, error) { return nil, errors.New("gone") }
	if _, err := g.tokenize(t.Context(), refuse, chat(202)); err == nil {
		t.Error("a server that refuses is not heard")
	}
}

// A ceiling whose tokens were put together and whose number the reply contradicts is found again from the whole.
func TestTell_TokenisesAgain(t *testing.T) {
	sent := 0
	whole := byTemplate(&sent, chatML)
	trained := func(ctx context.Context, m []dsl.Message, _ ...wire.Tool) ([]int, error) {
		ids, err := whole(ctx, m)
		if len(m) >= 60 {
			ids = append(ids, 1, 2, 3) // of long conversations alone: no short one shows it
		}
		return ids, err
	}
	cell := &dsl.Cell{Server: &dsl.Server{}, Scenario: &dsl.Scenario{}}
	m := New(cell, NewTemplates(nil, nil), nil, Server{Block: 1, Tokenize: trained})
	messages := chat(70)
	for n := 34; n <= 62; n += 2 {
		r := m.Turn(&dsl.Step{}, dsl.Turn{Messages: messages[:n]})
		c := m.Ceiling(t.Context(), r)
		q := &event.Request{}
		truth, _ := trained(t.Context(), messages[:n])
		q.Usage.Prompt = new(len(truth))
		m.Tell(t.Context(), r, &c, q)
		if q.Reusable == nil || q.ReusableWhy != "" || len(c.prompt) != len(truth) {
			t.Fatalf("%d messages: ceiling %v (%s) of %d tokens, want one of %d", n, q.Reusable, q.ReusableWhy,
				len(c.prompt), len(truth))
		}
		m.Remember(t.Context(), r, c, &q.Exchange)
	}
}
