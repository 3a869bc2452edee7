package imports

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"homellm/dsl/syntax"
	"homellm/dsl/transcript"
	"homellm/engine/wire"
	"homellm/schema"
)

// tool is a tool of a conversation.
type tool struct {
	name, about string
	parameters  json.RawMessage
	results     []result
}

// result is the result of some calls.
type result struct {
	when string // empty: it answers every call
	text string
	file string // has the text instead
}

// made is one call with its result.
type made struct {
	n         int // number of the call among those of its tool in the conversation
	arguments string
	result    string
	answered  bool
}

// The limits of tools.
const (
	maxTools   = 64
	maxResults = 1024
)

var toolName = regexp.MustCompile(`[^A-Za-z0-9_-]`)

// rename gives tools names that are valid in a scenario.
func rename(b *builder, chat *transcript.Chat) {
	name := func(old string) string {
		now := toolName.ReplaceAllString(old, "_")
		if now = now[:min(len(now), 64)]; now != old {
			b.note("the tool %s is called %s", short(old), now)
		}
		return now
	}
	for i := range chat.Tools {
		chat.Tools[i].Name = name(chat.Tools[i].Name)
	}
	for i := range chat.Messages {
		m := &chat.Messages[i]
		for j := range m.ToolCalls {
			m.ToolCalls[j].Function.Name = name(m.ToolCalls[j].Function.Name)
		}
		if m.Role == "tool" {
			m.Name = name(m.Name)
		}
	}
}

// tools returns the tools of a conversation: those that the chat declares and those that are called, with the results
// of the steps' calls. Before holds the messages that no step plays.
func (b *builder) tools(chat *transcript.Chat, before, played []transcript.Message) []*tool {
	var out []*tool
	get := func(name string) *tool {
		i := slices.IndexFunc(out, func(t *tool) bool { return t.name == name })
		if i >= 0 {
			return out[i]
		}
		if len(out) == maxTools {
			b.note("the tool %s is left out: a conversation has %d at most", short(name), maxTools)
			return nil
		}
		out = append(out, &tool{name: name})
		return out[len(out)-1]
	}
	calls := callsOf(before, played)
	for _, name := range calls.order {
		get(name)
	}
	for _, d := range chat.Tools {
		if t := get(d.Name); t != nil {
			t.about = d.Description
			t.parameters = b.parameters(d)
		}
	}
	for _, t := range out {
		own := calls.of[t.name]
		if t.parameters == nil {
			t.parameters = inferred(own)
		}
		b.results(t, own)
	}
	return out
}

// calls holds the calls of steps, by tool.
type calls struct {
	order []string
	of    map[string][]made
}

func callsOf(before, played []transcript.Message) calls {
	out := calls{of: map[string][]made{}}
	counts := map[string]int{}
	for _, m := range before {
		for _, c := range m.ToolCalls {
			counts[c.Function.Name]++
			if _, known := out.of[c.Function.Name]; !known {
				out.order, out.of[c.Function.Name] = append(out.order, c.Function.Name), nil
			}
		}
	}
	results := map[string]string{}
	for _, m := range played {
		if m.Role == "tool" {
			results[m.ToolCallID] = m.Content
		}
	}
	for _, m := range played {
		for _, c := range m.ToolCalls {
			name := c.Function.Name
			counts[name]++
			if _, known := out.of[name]; !known {
				out.order = append(out.order, name)
			}
			text, ok := results[c.ID]
			out.of[name] = append(out.of[name], made{counts[name], c.Function.Arguments, text, ok})
		}
	}
	return out
}

// parameters returns the declared parameters of a tool; nil if they are not valid in a scenario.
func (b *builder) parameters(t wire.Tool) json.RawMessage {
	var doc any
	if len(t.Parameters) == 0 || json.Unmarshal(t.Parameters, &doc) != nil {
		return nil
	}
	if m, ok := doc.(map[string]any); ok {
		delete(m, "$schema")
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		return nil
	}
	_, root, found := syntax.Read("parameters", plain)
	_, problems := schema.NewAnswerSchema(doc)
	if root == nil || len(found) > 0 || len(problems) > 0 || strings.Contains(string(plain), "${") {
		why := "a scenario cannot hold it"
		if len(problems) > 0 {
			why = problems[0].Message
		}
		b.note("the parameters of %s are guessed from its calls: their schema is not taken over: %s", t.Name, short(why))
		return nil
	}
	return plain
}

// inferred returns parameters guessed from calls.
func inferred(calls []made) json.RawMessage {
	kinds := map[string]string{}
	for _, c := range calls {
		var args map[string]any
		if json.Unmarshal([]byte(c.arguments), &args) != nil {
			continue
		}
		for name, v := range args {
			kind := kindOf(v)
			if before, ok := kinds[name]; ok && before != kind {
				kind = ""
			}
			kinds[name] = kind
		}
	}
	if len(kinds) == 0 || len(kinds) > 200 {
		return nil
	}
	properties := map[string]any{}
	for name, kind := range kinds {
		properties[name] = map[string]any{}
		if kind != "" {
			properties[name] = map[string]any{"type": kind}
		}
	}
	out, err := json.Marshal(map[string]any{"type": "object", "properties": properties})
	if err != nil {
		return nil
	}
	if _, root, found := syntax.Read("parameters", out); root == nil || len(found) > 0 ||
		strings.Contains(string(out), "${") {
		return nil
	}
	return out
}

// kindOf returns JSON Schema's name for the type of a value; empty for null.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return ""
}

// results gives a tool its results: chosen by the arguments of a call if these determine the result, else by its
// number.
func (b *builder) results(t *tool, calls []made) {
	conditions := byArguments(t.parameters, calls)
	seen := map[string]bool{}
	for i, c := range calls {
		if !json.Valid([]byte(c.arguments)) && strings.TrimSpace(c.arguments) != "" {
			b.note("a call of %s has arguments that are no JSON: an error answers it in the place of its result", t.name)
			continue
		}
		if !c.answered {
			continue
		}
		when := fmt.Sprintf("call.n == %d", c.n)
		if conditions != nil {
			when = conditions[i]
		}
		if seen[when] {
			continue
		}
		seen[when] = true
		if len(t.results) == maxResults {
			b.note("%s has more results than the %d that a tool may have: later calls get an error", t.name, maxResults)
			return
		}
		r := result{when: when, text: c.result}
		if long(c.result) {
			r.file = b.textFile(t.name, c.result)
		}
		t.results = append(t.results, r)
	}
}

// long reports whether a text should be kept in a file and would be read back unchanged.
func long(s string) bool {
	return (len(s) > 200 || strings.Contains(s, "\n")) && len(s) <= maxGiven && !strings.Contains(s, "\r\n") &&
		!strings.HasPrefix(s, "\ufeff") && strings.TrimSpace(s) != ""
}

// textFile adds a text file beside the scenario and returns its path. Equal texts share one file.
func (b *builder) textFile(name, s string) string {
	if b.texts == nil {
		b.texts = map[string]string{}
	}
	if b.texts[s] == "" {
		b.texts[s] = b.beside("documents", fmt.Sprintf("%s-%d.txt", strings.ToLower(name), len(b.texts)+1), []byte(s))
	}
	return b.texts[s]
}

// byArguments returns conditions that distinguish calls of a tool by their arguments; nil if the arguments do not
// determine the results.
func byArguments(parameters json.RawMessage, calls []made) []string {
	var declared struct {
		Properties map[string]struct {
			Type any `json:"type"`
		} `json:"properties"`
	}
	if len(parameters) == 0 || json.Unmarshal(parameters, &declared) != nil {
		return nil
	}
	var out []string
	got := map[string]string{}
	keys := ""
	for i, c := range calls {
		var args map[string]any
		if json.Unmarshal([]byte(c.arguments), &args) != nil || len(args) == 0 || len(args) > 4 {
			return nil
		}
		names := slices.Sorted(maps.Keys(args))
		if all := strings.Join(names, " "); i > 0 && all != keys {
			return nil
		} else if i == 0 {
			keys = all
		}
		var parts []string
		for _, name := range names {
			p, known := declared.Properties[name]
			value, ok := literal(args[name])
			if !known || !ok || p.Type != kindOf(args[name]) || !plainName.MatchString(name) ||
				slices.Contains(words, name) {
				return nil
			}
			parts = append(parts, "args."+name+" == "+value)
		}
		when := strings.Join(parts, " && ")
		if before, there := got[when]; there && before != c.result || !c.answered {
			return nil
		}
		got[when] = c.result
		out = append(out, when)
	}
	return out
}

// plainName matches names that conditions can use.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// words are the keywords of conditions.
var words = []string{"and", "or", "not", "in", "let", "nil", "true", "false", "if", "else", "matches", "contains",
	"startsWith", "endsWith"}

// literal returns a value as a literal of a condition, and whether that is possible.
func literal(v any) (string, bool) {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v), true
	case string:
		odd := func(r rune) bool { return !unicode.IsPrint(r) || r == '"' || r == '\\' || r == '$' || r == '`' }
		return `"` + v + `"`, len(v) <= 100 && !strings.ContainsFunc(v, odd)
	}
	return "", false
}
