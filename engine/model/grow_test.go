package model

import (
	"fmt"
	"strings"
	"testing"
)

// rendered counts the messages that a renderer was given.
type rendered struct{ messages int }

func (r *rendered) by(whole Renderer) Renderer {
	return func(messages []Message, opt Options) (Prompt, error) {
		r.messages += len(messages)
		return whole(messages, opt)
	}
}

// conversation makes n messages of the roles of a chat.
func conversation(n int) []Message {
	out := []Message{{Role: "system", Content: "Be brief."}}
	for i := 1; i < n; i++ {
		role := []string{"assistant", "user"}[i%2]
		text := fmt.Sprintf("%s %d", role, i)
		if i%14 == 2 {
			text = "<think>\nwhy\n</think>\n\n" + text
		}
		out = append(out, Message{Role: role, Content: text})
	}
	return out
}

// Prompts made turn by turn are those that the template makes of the whole, for every shipped template, and it is
// given a few messages for each turn.
func TestGrowing_IsTheWhole(t *testing.T) {
	all, err := ShippedTemplates()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, err := Parse(name, all.specs[name])
			if err != nil {
				t.Fatal(err)
			}
			var work rendered
			grow := growing(work.by(whole))
			messages := conversation(160)
			if _, err := whole(messages[:2], Options{}); err != nil {
				messages = messages[1:]
			}
			for n := 2 - len(messages)%2; n <= len(messages); n += 2 {
				opt := Options{Now: probeTime}
				got, err := grow(messages[:n], opt)
				want, errWant := whole(messages[:n], opt)
				if got != want || (err == nil) != (errWant == nil) {
					t.Fatalf("%d messages: %v, want %v\n…%s\n…%s", n, err, errWant, tail(got.Text), tail(want.Text))
				}
			}
			if most := 20 * len(messages); work.messages > most {
				t.Errorf("the template was given %d messages, want at most %d", work.messages, most)
			}
		})
	}
}

func tail(s string) string { return s[max(0, len(s)-200):] }

// A template that looks at more than the ends of a conversation is found out, and so is one that raises.
func TestGrowing_TemplatesThatLookFarther(t *testing.T) {
	for name, jinja := range map[string]string{
		"length": `{% for m in messages %}{{ m.content }} of {{ messages|length }}; {% endfor %}`,
		"middle": `{% for m in messages %}{{ m.content }};{% endfor %}{{ messages[20].content }}`,
		"index":  `{% for m in messages %}{{ loop.index }} {{ m.content }};{% endfor %}`,
		"raising": `{% for m in messages %}{{ m.content }};{% endfor %}` +
			`{% if messages|length > 100 %}{{ raise_exception("long") }}{% endif %}`,
	} {
		whole, err := Parse(name, Spec{Jinja: jinja})
		if err != nil {
			t.Fatal(err)
		}
		grow := growing(whole)
		messages := conversation(200)
		wrong := 0
		for n := 2; n <= len(messages); n += 2 {
			got, err := grow(messages[:n], Options{})
			want, errWant := whole(messages[:n], Options{})
			if got != want || (err == nil) != (errWant == nil) {
				wrong++
			}
		}
		if after := 16; wrong > after {
			t.Errorf("%s: %d prompts are wrong, want at most those before the first comparison, %d", name, wrong, after)
		}
	}
}

// Conversations that are rendered in turns do not disturb each other.
func TestGrowing_Several(t *testing.T) {
	whole, err := Parse("x", Spec{Jinja: `{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}` +
		`{% if add_generation_prompt %}<assistant>{% endif %}`})
	if err != nil {
		t.Fatal(err)
	}
	var work rendered
	grow := growing(work.by(whole))
	for n := 2; n <= 200; n += 2 {
		for _, who := range []string{"a", "b", "c"} {
			messages := conversation(n)
			messages[0].Content = strings.Repeat(who, 10)
			got, err := grow(messages, Options{})
			if want, _ := whole(messages, Options{}); err != nil || got != want {
				t.Fatalf("%s, %d messages: %v\n%s", who, n, err, tail(got.Text))
			}
		}
	}
	if most := 3 * 200 * 60; work.messages > most {
		t.Errorf("the template was given %d messages, want at most %d", work.messages, most)
	}
}
