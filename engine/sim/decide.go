package sim

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"homellm/engine/quality"
)

// decide returns the tool calls of a reply. Lines "CALL NAME {arguments}" in the question, or else in the system
// message, are followed, one per round. Without such lines, the first round calls a tool that the request requires or
// the question names.
func (q *request) decide(messages []Message) []Call {
	last := len(messages) - 1
	for last >= 0 && messages[last].Role != "user" {
		last--
	}
	choice, named := q.choice()
	if len(q.Tools) == 0 || choice == "none" || last < 0 {
		return nil
	}
	round := 0
	for _, m := range messages[last:] {
		if m.Role == "assistant" {
			round++
		}
	}
	asked := outside(messages[last].Content)
	lines := callsOf(asked)
	if len(lines) == 0 && messages[0].Role == "system" {
		lines = callsOf(messages[0].Content)
	}
	if round < len(lines) {
		return lines[round : round+1]
	}
	if round > 0 || len(lines) > 0 {
		return nil
	}
	for _, t := range q.Tools {
		name := t.Function.Name
		if name == named || named == "" && (choice == "required" || strings.Contains(asked, name)) {
			return []Call{{name, string(encode(sample(t.Function.Parameters, wordOf(asked))))}}
		}
	}
	return nil
}

// callsOf returns the calls that the lines of a text ask for.
func callsOf(text string) (out []Call) {
	for line := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), callLine)
		name, arguments, _ := strings.Cut(rest, " ")
		if !ok || name == "" {
			continue
		}
		var b bytes.Buffer
		if json.Compact(&b, []byte(arguments)) != nil { // arguments need not be valid
			b.Reset()
			b.WriteString(strings.TrimSpace(arguments))
		}
		if b.Len() == 0 {
			b.WriteString("{}")
		}
		out = append(out, Call{name, b.String()})
	}
	return out
}

// wordOf returns the first word of a question that looks like the name of a file or the like, such as parser.go.
func wordOf(asked string) string {
	for word := range strings.FieldsSeq(asked) {
		if word = strings.Trim(word, ".,;:?!\"'`()"); strings.ContainsAny(word, "./_") {
			return word
		}
	}
	return "text"
}

// schemaOf is the part of JSON Schema that the simulator supports.
type schemaOf struct {
	Type       any                        `json:"type"`
	Properties map[string]json.RawMessage `json:"properties"`
	Items      json.RawMessage            `json:"items"`
	Enum       []any                      `json:"enum"`
	Const      any                        `json:"const"`
	Minimum    *float64                   `json:"minimum"`
	MinItems   int                        `json:"minItems"`
	MinLength  int                        `json:"minLength"`
	MaxLength  *int                       `json:"maxLength"`
}

// sample returns a value that matches a schema, the same each time; every string in it is the given text.
func sample(raw json.RawMessage, text string) any {
	var s schemaOf
	if json.Unmarshal(raw, &s) != nil {
		return map[string]any{}
	}
	kind, _ := s.Type.(string)
	if kinds, ok := s.Type.([]any); ok && len(kinds) > 0 {
		kind, _ = kinds[0].(string)
	}
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[0]
	case kind == "string":
		return s.fitted(text)
	case kind == "integer" || kind == "number":
		if s.Minimum != nil {
			return *s.Minimum
		}
		return 1
	case kind == "boolean":
		return true
	case kind == "null":
		return nil
	case kind == "array":
		items := []any{}
		for range max(1, s.MinItems) {
			items = append(items, sample(s.Items, text))
		}
		return items
	}
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		object[name] = sample(s.Properties[name], text)
	}
	return object
}

// fitted pads or cuts a text to a length that the schema allows.
func (s schemaOf) fitted(text string) string {
	runes := []rune(text)
	for len(runes) < s.MinLength {
		runes = append(runes, '.')
	}
	if s.MaxLength != nil && len(runes) > *s.MaxLength {
		runes = runes[:max(0, *s.MaxLength)]
	}
	return string(runes)
}

// formatted returns a reply in the format that the request asks for.
func (q *request) formatted(text string, conversation []Message) string {
	f := q.ResponseFormat
	switch {
	case f == nil:
	case f.Type == "json_object":
		return string(encode(map[string]string{"answer": text}))
	case f.Type == "json_schema":
		return string(encode(labels(conversation).read(f.Schema.Schema, text)))
	}
	return text
}

// say returns the answer to a conversation, from the configured function if there is one.
func (s *Server) say(messages []Message) string {
	if s.cfg.Answer != nil {
		return s.cfg.Answer(messages, known)
	}
	return known(messages)
}

// known is the answer to one of the questions of the scenario quality-smoke, which cannot be quoted, or a quotation.
func known(messages []Message) string {
	for _, m := range slices.Backward(messages) {
		if m.Role != "user" {
			continue
		}
		if text, ok := quality.Answer(m.Content); ok {
			return text
		}
		break
	}
	return answer(messages)
}
