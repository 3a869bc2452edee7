package model

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func shippedTemplates(t testing.TB) map[string]*Template {
	t.Helper()
	return compiled(t, newTemplates(t))
}

func newTemplates(t testing.TB) *Templates {
	t.Helper()
	all, err := ShippedTemplates()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func compiled(t testing.TB, all *Templates) map[string]*Template {
	t.Helper()
	out := map[string]*Template{}
	for _, name := range all.Names() {
		out[name] = all.Named(name)
	}
	return out
}

// Every shipped template renders every conversation as Jinja2 does, to the byte, errors included.
func TestConformance(t *testing.T) {
	var conversations map[string][]Message
	readJSON(t, "goldens/conversations.json", &conversations)
	if len(conversations) < 10 {
		t.Fatalf("%d conversations are too few to mean anything", len(conversations))
	}
	for name, template := range shippedTemplates(t) {
		all, err := Goldens(name)
		if err != nil {
			t.Fatal(err)
		}
		want := len(conversations) * 3
		if name == "gemma-4" || name == "gemma-4-e" || name == "gpt-oss" { // these have their own variant
			want += len(conversations)
		}
		if len(all) != want {
			t.Errorf("%s has %d goldens, want %d", name, len(all), want)
		}
		for _, g := range all {
			if diff := g.Check(template); diff != "" {
				t.Errorf("%s, %s", name, diff)
			}
			_, err := template.Render(g.Messages, g.Options)
			if refusal, ok := errors.AsType[*Refusal](err); ok != (g.Raised != "") || ok && refusal.Why != g.Raised {
				t.Errorf("%s, %s: %v, want the error %q", name, g.Name, err, g.Raised)
			}
		}
	}
}

// A check that finds nothing wrong with anything would be worth nothing.
func TestGoldenCheckFindsDifferences(t *testing.T) {
	all := shippedTemplates(t)
	for golden, other := range map[string]string{"qwen2.5": "smollm2", "gemma-2": "gemma-3", "phi-3.5": "chatml",
		"qwen3": "chatml"} {
		found := 0
		goldens, err := Goldens(golden)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range goldens {
			if g.Check(all[other]) != "" {
				found++
			}
		}
		if found == 0 {
			t.Errorf("%s passes the goldens of %s", other, golden)
		}
	}
	if _, err := Goldens("none"); err == nil {
		t.Error("goldens of a template that does not exist")
	}
}

func TestRefusalNamesTheAlternative(t *testing.T) {
	all := shippedTemplates(t)
	late := []Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hi"},
		{Role: "assistant", Content: "Hello!"}, {Role: "system", Content: "DOC: x=1"},
		{Role: "user", Content: "x?"}}
	for _, tc := range []struct {
		template string
		messages []Message
		at       int
		try      string
	}{
		{"gemma-2", late[:2], 0, `"system_placement: first_user"`},
		{"gemma-2", late, 0, `"system_placement: merge"`},
		{"gemma-3", late, 3, `"system_placement: merge"`},
		{"mistral-v0.3", late, 3, `"system_placement: merge"`},
		{"mistral-v0.3", []Message{{Role: "user", Content: "a"}, {Role: "user", Content: "b"}}, 1,
			`"system_placement: merge"`},
		{"mistral-v0.3", []Message{{Role: "assistant", Content: "a"}}, 0, ""},
		{"qwen2.5", nil, -1, ""},
		{"qwen2.5", []Message{{Role: "developer", Content: "a"}}, 0, ""},
	} {
		_, err := all[tc.template].Render(tc.messages, Options{})
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok {
			t.Errorf("%s: error is %v", tc.template, err)
			continue
		}
		if refusal.Message != tc.at || !strings.Contains(err.Error(), tc.template) ||
			!strings.Contains(err.Error(), tc.try) || (tc.try == "") != (refusal.Try == "") {
			t.Errorf("%s: %v (message %d), want message %d and %s", tc.template, err, refusal.Message, tc.at, tc.try)
		}
	}
}

func TestPlacement(t *testing.T) {
	all := shippedTemplates(t)
	rag := []Message{{Role: "system", Content: "S"}, {Role: "user", Content: "a"}, {Role: "assistant", Content: "b"},
		{Role: "system", Content: "D"}, {Role: "system", Content: "E"}, {Role: "user", Content: "c"}}
	const gemma = "<bos><start_of_turn>user\nS\n\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n" +
		"<start_of_turn>user\nD\n\nE\n\nc<end_of_turn>\n<start_of_turn>model\n"
	for _, tc := range []struct {
		template  string
		placement SystemPlacement
		messages  []Message
		want      string
	}{
		{"gemma-2", PlaceMerge, rag, gemma},
		{"gemma-3", PlaceMerge, rag, gemma},
		{"mistral-v0.3", PlaceMerge, rag, "<s>[INST] S\n\na[/INST] b</s>[INST] D\n\nE\n\nc[/INST]"},
		{"mistral-v0.3", PlaceMerge, []Message{{Role: "user", Content: "a"}, {Role: "user", Content: "b"},
			{Role: "assistant", Content: "c"}},
			"<s>[INST] a\n\nb[/INST] c</s>"},
		{"mistral-v0.3", PlaceMerge, []Message{{Role: "user", Content: "a"}, {Role: "assistant", Content: "b"},
			{Role: "system", Content: "D"}},
			"<s>[INST] a[/INST] b</s>[INST] D[/INST]"},
		{"mistral-v0.3", PlaceMerge, []Message{{Role: "system", Content: "S"}, {Role: "assistant", Content: "b"},
			{Role: "user", Content: "c"}},
			"<s>[INST] S[/INST] b</s>[INST] c[/INST]"},
		{"mistral-v0.3", PlaceMerge, []Message{{Role: "system", Content: ""}, {Role: "user", Content: "c"}},
			"<s>[INST] c[/INST]"},
		{"mistral-v0.3", PlaceFirstUser, rag[:3], "<s>[INST] S\n\na[/INST] b</s>"},
		{"deepseek-r1-distill", PlaceMerge, rag,
			"<｜begin▁of▁sentence｜>S<｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜><｜User｜>D\n\nE\n\nc<｜Assistant｜><think>\n"},
		{"chatml", PlaceFirstUser, rag[:2], "<|im_start|>user\nS\n\na<|im_end|>\n<|im_start|>assistant\n"},
	} {
		got, err := all[tc.template].Render(tc.messages, Options{Placement: tc.placement})
		if err != nil {
			t.Errorf("%s, %s: %v", tc.template, tc.placement, err)
		} else if diff := cmp.Diff(tc.want, got.String()); diff != "" {
			t.Errorf("%s, %s: -want +got\n%s", tc.template, tc.placement, diff)
		}
	}
	// What a template keeps in place is left alone, and the caller's messages are never touched.
	for _, name := range []string{"phi-3.5", "qwen2.5", "qwen3", "llama-3.1", "smollm2"} {
		native, _ := all[name].Render(rag, Options{Placement: PlaceNative, Now: probeTime})
		merged, _ := all[name].Render(rag, Options{Placement: PlaceMerge, Now: probeTime})
		if native != merged {
			t.Errorf("%s: merge changed what needs no change:\n%q\n%q", name, native, merged)
		}
	}
	if rag[5].Content != "c" || rag[1].Content != "a" {
		t.Errorf("rendering changed the conversation: %v", rag)
	}
}

func TestDates(t *testing.T) {
	all := shippedTemplates(t)
	hi := []Message{{Role: "user", Content: "Hi"}}
	for _, tc := range []struct {
		template string
		now      time.Time
		want     string
	}{
		{"llama-3.1", time.Time{}, "Today Date: 26 Jul 2024\n"},
		{"llama-3.1", probeTime, "Today Date: 09 Mar 2026\n"},
		{"llama-3.2", probeTime, "Today Date: 09 Mar 2026\n"},
		{"llama-3.2", time.Time{}, "Today Date: " + time.Now().Format("02 Jan 2006")},
	} {
		got, err := all[tc.template].Render(hi, Options{Now: tc.now})
		if err != nil || !strings.Contains(got.Text, tc.want) {
			t.Errorf("%s at %v: %q, %v; want %q in it", tc.template, tc.now, got, err, tc.want)
		}
	}
	if got := strftime(probeTime, "%A %-d %j %H:%M:%S 100%% %"); got != "Monday %-d 068 14:05:06 100% %" {
		t.Error(got)
	}
}

func TestBadTemplates(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{"a: {", "parsing templates"},
		{"- a", "mapping"},
		{"a: {like: chatnl}", `no template "chatnl"`},
		{"a: {like: chatml, bso: x}", "bso"},
		{"a: {bos: x}", "template a: jinja is missing"},
		{"a: {like: chatml, roles: {user: {}}}", "roles"},
		{"a: {like: chatml, date: {form: x}}", "form"},
		{`a: {jinja: "{% if x %}no end"}`, "template a"},
	} {
		all := newTemplates(t)
		if err := all.Add([]byte(tc.yaml), Compile); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.yaml, err, tc.want)
		}
	}
}

func TestOwnTemplate(t *testing.T) {
	own := newTemplates(t)
	err := own.Add([]byte(`
mine: {like: qwen2.5, jinja: "{{ messages[0].content }}{{ eos_token }}", eos: "</s>"}
dated: {like: llama-3.1, date: {format: "%Y"}}
raw: {jinja: "{{ bos_token }}{% for m in messages %}{{ m.content }};{% endfor %}", bos: "<s>"}
`), Compile)
	if err != nil {
		t.Fatal(err)
	}
	all := compiled(t, own)
	hi := []Message{{Role: "user", Content: "Hi"}}
	for name, want := range map[string]string{
		"mine":  "Hi</s>",
		"raw":   "<s>Hi;",
		"dated": "Today Date: 2026\n",
	} {
		got, err := all[name].Render(hi, Options{Now: probeTime})
		if err != nil || !strings.Contains(got.String(), want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if got := all["mine"].Stop(); !cmp.Equal(got, all["qwen2.5"].Stop()) {
		t.Errorf("a template like another stops at %q", got)
	}
	if got, _ := all["raw"].Render(hi, Options{}); got.BOS != "<s>" || got.Text != "Hi;" {
		t.Errorf("BOS is not kept apart: %+v", got)
	}
}

func conversation15K(t testing.TB) []Message {
	data, err := os.ReadFile("../tokens/testdata/texts/prose.txt")
	if err != nil {
		t.Fatal(err)
	}
	prose := string(data)
	messages := []Message{{Role: "system", Content: "Answer from the manual."}}
	for i := range 10 {
		n := string(rune('a' + i))
		messages = append(messages, Message{Role: "user", Content: n + strings.Repeat(prose, 10)},
			Message{Role: "assistant", Content: n + strings.Repeat(prose, 5)})
	}
	return append(messages, Message{Role: "user", Content: "And then?"})
}

// A conversation of 15K tokens is rendered in under 2 ms.
func BenchmarkRender15K(b *testing.B) {
	messages := conversation15K(b)
	for name, t := range shippedTemplates(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := t.Render(messages, Options{Placement: PlaceMerge}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
