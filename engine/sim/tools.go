package sim

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// tool is a tool that a request declares.
type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// Call is one call of a tool, with its arguments as JSON.
type Call struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// The marks of a call in what a model generates, as Qwen's template has them.
const (
	callOpen  = "<tool_call>\n"
	callClose = "\n</tool_call>"
)

// written is a call as the model writes it. Its arguments begin at the offset that is returned.
func (c Call) written() (text string, arguments int) {
	head := callOpen + `{"name": ` + string(encode(c.Name)) + `, "arguments": `
	return head + c.Arguments + "}" + callClose, len(head)
}

// withCalls is what a message says and calls.
func withCalls(text string, calls []Call) string {
	var b strings.Builder
	b.WriteString(text)
	for _, c := range calls {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		written, _ := c.written()
		b.WriteString(written)
	}
	return b.String()
}

// withTools puts the tools of a request where templates put them: at the end of the system message.
func withTools(messages []Message, tools []tool) []Message {
	if len(tools) == 0 {
		return messages
	}
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to assist with the user query.\n<tools>")
	for _, t := range tools {
		b.WriteByte('\n')
		b.Write(encode(t))
	}
	b.WriteString("\n</tools>")
	if len(messages) == 0 || messages[0].Role != "system" {
		return append([]Message{{"system", b.String()}}, messages...)
	}
	out := slices.Clone(messages)
	out[0].Content += "\n\n" + b.String()
	return out
}

// callLine begins a line that says which tool a reply calls.
const callLine = "CALL "

// decide is the rule by which a reply calls a tool. Lines "CALL NAME {arguments}" of the question, or else of the system
// message, are followed one a round. Without them a tool is called first that the request demands or the question
// names.
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

// choice is what the request says of calls: auto, none, required, or the name of a tool.
func (q *request) choice() (how, named string) {
	var object struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	switch {
	case len(q.ToolChoice) == 0 || json.Unmarshal(q.ToolChoice, &how) == nil:
		return how, ""
	case json.Unmarshal(q.ToolChoice, &object) == nil:
		return "named", object.Function.Name
	}
	return "", ""
}

// callsOf are the calls that lines of a text ask for.
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

// wordOf is the first word of a question that looks like a name of something, such as parser.go.
func wordOf(asked string) string {
	for _, word := range strings.Fields(asked) {
		if word = strings.Trim(word, ".,;:?!\"'`()"); strings.ContainsAny(word, "./_") {
			return word
		}
	}
	return "text"
}

// schemaOf is the part of a JSON Schema that the simulator keeps to.
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

// sample is a value that keeps to a schema, the same each time; texts in it are the one that is given.
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

// fitted is a text of a length that the schema allows.
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

// formatted is a reply in the form that the request asks for.
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

// piece is what one event says: text of a channel, or a piece of a call.
type piece struct {
	text    string
	thought bool
	begins  bool // a call, of which nothing was said before
	call    int  // its number; -1: it is no call
}

// calling lays the calls of a reply out: which token says what of them. What is left in texts is text alone.
func (r *reply) calling(calls []Call) {
	if len(calls) == 0 {
		return
	}
	plainEnd := strings.Index(r.text, callOpen)
	if plainEnd < 0 {
		return // cut before
	}
	r.parts = make([][]piece, len(r.tokens))
	begun := make([]bool, len(calls))
	at := 0
	for i := range r.tokens {
		if i < r.reasoning {
			continue
		}
		from, to := at, at+len(r.texts[i])
		at = to
		r.texts[i] = r.text[min(from, plainEnd):min(to, plainEnd)]
		if r.texts[i] != "" {
			r.parts[i] = append(r.parts[i], piece{text: r.texts[i], call: -1})
		}
		open := plainEnd
		for k, c := range calls {
			written, arguments := c.written()
			first, end := open+arguments, open+arguments+len(c.Arguments)
			if to > first && !begun[k] {
				begun[k] = true
				r.parts[i] = append(r.parts[i], piece{call: k, begins: true})
			}
			if a, b := max(from, first), min(to, end); a < b {
				r.parts[i] = append(r.parts[i], piece{call: k, text: r.text[a:b]})
			}
			open += len(written) + len("\n")
		}
	}
	r.calls = calls[:len(slices.DeleteFunc(begun, func(b bool) bool { return !b }))]
	r.text = strings.TrimSuffix(r.text[:plainEnd], "\n")
	if r.finish == "stop" {
		r.finish = "tool_calls"
	}
}

// said is what the tokens from one to another say, in order. A reply without calls says one thing at a time.
func (r *reply) said(from, i int) (out []piece) {
	if r.parts == nil {
		return []piece{{text: strings.Join(r.texts[from:i+1], ""), thought: i < r.reasoning, call: -1}}
	}
	for j := from; j <= i; j++ {
		parts := r.parts[j]
		if j < r.reasoning {
			parts = []piece{{text: r.texts[j], thought: true, call: -1}}
		}
		for _, p := range parts {
			if n := len(out) - 1; n >= 0 && !p.begins && !out[n].begins && out[n].call == p.call && out[n].thought == p.thought {
				out[n].text += p.text
				continue
			}
			out = append(out, p)
		}
	}
	return out
}

// silent reports whether a token says nothing, being part of what surrounds a call.
func (r *reply) silent(i int) bool { return r.parts != nil && i >= r.reasoning && len(r.parts[i]) == 0 }
