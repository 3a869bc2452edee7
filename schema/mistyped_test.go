package schema

import "testing"

// TestSimilarNames checks the name that is proposed for a name in another form.
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
		{"dots", func(_, step map[string]any) { step["id"] = "a.b" }, "write a_b"},
		{"dash before", func(_, step map[string]any) { step["id"] = "-x" }, "write x"},
		{"percentage with a blank", func(s, _ map[string]any) { s["run"] = map[string]any{"error_budget": "90 %"} },
			"write 90%"},
		{"percentage in words", func(s, _ map[string]any) { s["run"] = map[string]any{"error_budget": "90 percent"} },
			"write 90%"},
		{"percentage without its sign", func(s, _ map[string]any) { s["run"] = map[string]any{"error_budget": "90"} },
			"write 90%"},
		{"share in quotes", func(s, _ map[string]any) { s["run"] = map[string]any{"error_budget": "0.05"} }, "write 5%"},
		{"negative duration", func(_, step map[string]any) { step["timeout"] = "-5s" },
			"write digits with their units: 60s"},
		{"more than all", func(s, _ map[string]any) { s["run"] = map[string]any{"error_budget": "150%"} }, ""},
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

// TestSimilarAddresses checks the address that is proposed for one in another form.
func TestSimilarAddresses(t *testing.T) {
	for written, want := range map[string]string{
		"localhost:8080": "write http://localhost:8080", "127.0.0.1": "write http://127.0.0.1",
		"http://127.0.0.1:8080/v1/chat/completions": "write http://127.0.0.1:8080",
		"https://box/v1": "write https://box", "ftp://box": "", "http://": "",
	} {
		got := Validate("servers", map[string]any{"schema": "homellm.servers/v1", "servers": map[string]any{
			"mine": map[string]any{"engine": "openai", "attach": map[string]any{"url": written}}}})
		if len(got) != 1 || got[0].Help != want {
			t.Errorf("%s: want help %q, got %+v", written, want, got)
		}
	}
	for _, v := range []any{"http://127.0.0.1:8080", []any{}} {
		got := Validate("servers", map[string]any{"schema": "homellm.servers/v1", "servers": map[string]any{
			"mine": map[string]any{"engine": "openai", "attach": v}}})
		if len(got) != 1 || got[0].Help != `write it like this: {url: "http://127.0.0.1:8080"}` {
			t.Errorf("attach: %v: %+v", v, got)
		}
	}
	got := Validate("servers", map[string]any{"schema": "homellm.servers/v1", "servers": []any{"mine"}})
	if len(got) != 1 || got[0].Help != "its entries have their names as keys: write my-name: in place of each -" {
		t.Errorf("a list of servers: %+v", got)
	}
}

// TestMisplacedKeys checks the message about where a key belongs that is on too high a level.
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

// TestHelpForWrongTypes checks the help for people who guess the form of a value.
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
		{"expression for a list", in("assert", `turn.text contains "x"`),
			`write it below the key and begin it with "- ": - turn.text contains "x"`},
		{"lines for a list", in("assert", "turn.ok\nturn.ok"), `begin each entry with "- "`},
		{"number in groups", in("requires", map[string]any{"context_tokens": "32,768"}),
			"write the number without signs between its digits: 32768"},
		{"percentage for a share", in("defaults", map[string]any{"request": map[string]any{"top_p": "90%"}}),
			"write the share, from 0 to 1: 0.9"},
		{"percentage for a number", in("defaults", map[string]any{"request": map[string]any{"temperature": "90%"}}),
			"write the number alone: 90"},
		{"comma for a point", in("defaults", map[string]any{"request": map[string]any{"temperature": "0,7"}}),
			"write the number with a point: 0.7"},
		{"word for a mapping", action("inject", "manual"), "write it like this: {docs: [manual], into: turn}"},
		{"list for turns", action("continue", []any{"a", "b"}), "write it like this: {turns: [What else?, Thank you.]}"},
		{"words for a list", in("tags", "a, b"), "write a list: [a, b]"},
		{"numbers for a list", in("matrix", map[string]any{"users": "1 2 4"}), "write a list: [1, 2, 4]"},
		{"number for a list", in("matrix", map[string]any{"users": 4}), "write a list: [4]"},
		{"half a list of numbers", in("matrix", map[string]any{"users": "(1"}), "write a list: [1]"},
		{"no blank behind the dash", in("assert", "-run.ok"), "write a blank behind the dash: - run.ok"},
		{"names as keys", in("documents", map[string]any{"manual": map[string]any{"file": "a.md"}}),
			`begin each entry with "- " and its name: - id: manual`},
		{"reference without its sign", in("run", map[string]any{"users": "matrix.users"}),
			`write a reference like this: "${matrix.users}"`},
		{"reference of a shell", in("run", map[string]any{"users": "$matrix.users"}),
			`write a reference like this: "${matrix.users}"`},
		{"range for a number", in("run", map[string]any{"users": "1-4"}),
			"a range is no value: write its numbers out, [1, 2, 3, 4]"},
		{"long range", in("run", map[string]any{"users": "1..64"}),
			"a range is no value: write its numbers out, [1, 2, 3, 4, 5, 6, 7, 8, …]"},
		{"number for a name", func(_, step map[string]any) { step["id"] = 1 }, "begin it with a letter: n1"},
		{"file for a data set", func(s, _ map[string]any) {
			s["conversations"].([]any)[0].(map[string]any)["for_each"] = map[string]any{"item": "a.jsonl"}
		}, "write it like this: {file: questions.jsonl}"},
		{"file for a document", in("documents", []any{"a.md"}), "write it like this: {file: manual.md, id: manual}"},
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

// TestOtherNames checks the proposals for keys and values by the names that other programs have for them.
func TestOtherNames(t *testing.T) {
	for written, want := range map[string]string{
		"question": "ask", "Prompt": "ask", "expect": "assert", "sleep": "wait", "iterations": "", "nonsense": "",
	} {
		got := Validate("scenario", scenario(func(_, step map[string]any) { step[written] = "x" }))
		if len(got) != 1 || got[0].Meant != want {
			t.Errorf("%s in a step: want %q, got %+v", written, want, got)
		}
	}
	for written, want := range map[string]string{"error": "fail", "Warning": "warn", "nonsense": ""} {
		got := Validate("scenario", scenario(func(s, _ map[string]any) {
			s["assert"] = []any{map[string]any{"that": "run.ok", "severity": written}}
		}))
		if len(got) != 1 || got[0].Meant != want {
			t.Errorf("severity %s: want %q, got %+v", written, want, got)
		}
	}
	known := map[string]bool{}
	for _, kind := range Written() {
		for _, p := range Properties(kind) {
			known[p.Key()] = true
			for _, v := range p.Values {
				known[v] = true
			}
		}
	}
	for name := range others {
		if !known[name] {
			t.Errorf("%s is neither a key nor a value", name)
		}
	}
}
