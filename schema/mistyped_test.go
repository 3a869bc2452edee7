package schema

import "testing"

// TestSimilarNames holds the name that is proposed for one of another form.
func TestSimilarNames(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(s, step map[string]any)
		want  string
	}{
		{"slug", func(s, _ map[string]any) { s["name"] = "My first-test" }, "write my-first-test"},
		{"identifier", func(_, step map[string]any) { step["id"] = "After-Removal" }, "write after_removal"},
		{"key", func(s, _ map[string]any) { s["vars"] = map[string]any{"Max": 1} }, "write max"},
		{"duration", func(_, step map[string]any) { step["timeout"] = "60 seconds" }, "write 60s"},
		{"duration of two", func(_, step map[string]any) { step["timeout"] = "1 minute and 30 secs" }, "write 1m30s"},
		{"no unit of time", func(_, step map[string]any) { step["timeout"] = "60 seconts" },
			"write digits with their units: 60s"},
		{"hopeless", func(_, step map[string]any) { step["id"] = "1st" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Validate("scenario", scenario(c.spoil))
			if len(got) != 1 || got[0].Help != c.want {
				t.Errorf("want help %q, got %+v", c.want, got)
			}
		})
	}
}

// TestMisplacedKeys holds where a key is said to belong that stands too high.
func TestMisplacedKeys(t *testing.T) {
	for key, want := range map[string]string{
		"repeats": "it belongs in run", "server": "it belongs in matrix",
		"temperature": "it belongs in defaults.request", "nonsense": "",
	} {
		got := Validate("scenario", scenario(func(s, _ map[string]any) { s[key] = 1 }))
		if len(got) != 1 || got[0].Help != want {
			t.Errorf("%s: want help %q, got %+v", key, want, got)
		}
	}
	got := Validate("scenario", scenario(func(_, step map[string]any) { step["max_tokens"] = 1 }))
	if len(got) != 1 || got[0].Help != "it belongs in request" {
		t.Errorf("a key of a request in a step: %+v", got)
	}
}

// TestHelpForWrongTypes holds what a person who guessed at the form of a value is told.
func TestHelpForWrongTypes(t *testing.T) {
	in := func(key string, v any) func(s, step map[string]any) {
		return func(s, _ map[string]any) { s[key] = v }
	}
	action := func(key string, v any) func(s, step map[string]any) {
		return func(_, step map[string]any) { delete(step, "ask"); step[key] = v }
	}
	for _, c := range []struct {
		name  string
		spoil func(s, step map[string]any)
		want  string
	}{
		{"duration without a unit", in("defaults", map[string]any{"timeout": 60}), "add the unit: 60s"},
		{"percentage without its sign", in("run", map[string]any{"error_budget": 5}), "add the percent sign: 5%"},
		{"share for a percentage", in("run", map[string]any{"error_budget": 0.05}), "write it in percent: 5%"},
		{"quoted number", in("run", map[string]any{"repeats": "3"}), "a number stands without quotes: 3"},
		{"abbreviated number", in("requires", map[string]any{"context_tokens": "8k"}), "write the number in digits"},
		{"number of something", in("run", map[string]any{"repeats": "3 times"}), "write the number alone: 3"},
		{"yes", in("run", map[string]any{"isolation": map[string]any{"allow_contaminated": "yes"}}), "write true or false"},
		{"mapping for a list", in("documents", map[string]any{}), `begin each entry with "- "`},
		{"word for a list", in("tags", "rag"), "write a list: [rag]"},
		{"half a list", in("tags", "rag]"), "write a list: [rag]"},
		{"expression for a list", in("assert", `turn.text contains "x"`), `begin each entry with "- "`},
		{"word for a mapping", action("inject", "manual"), "write it like this: {docs: [manual], into: turn}"},
		{"list for turns", action("continue", []any{"a", "b"}), "write it like this: {turns: [What else?, Thank you.]}"},
		{"nothing", action("ask", nil), "write a value, or remove the key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Validate("scenario", scenario(c.spoil))
			if len(got) != 1 || got[0].Rule != "type" || got[0].Help != c.want {
				t.Errorf("want help %q, got %+v", c.want, got)
			}
		})
	}
}
