package sim

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// labels finds values in lines of a conversation such as "Order number: 4711". If several messages have the same name,
// the latest counts.
type labels []Message

// find returns the value of a name. An underscore in the name matches a space.
func (l labels) find(name string) (string, bool) {
	wanted := strings.ReplaceAll(name, "_", " ")
	for _, m := range slices.Backward(l) {
		if m.Role == "assistant" || m.Role == "system" {
			continue
		}
		for line := range strings.SplitSeq(m.Content, "\n") {
			label, value, ok := strings.Cut(strings.TrimLeft(line, "-* \t"), ":")
			if value = strings.TrimSpace(value); ok && value != "" && strings.EqualFold(strings.TrimSpace(label), wanted) {
				return strings.TrimSuffix(value, "."), true
			}
		}
	}
	return "", false
}

var firstNumber = regexp.MustCompile(`-?\d+(?:\.\d+)?`)

// read returns a value that matches a schema: properties that lines give a value have it, the others are samples.
func (l labels) read(raw json.RawMessage, text string) any {
	var s schemaOf
	if json.Unmarshal(raw, &s) != nil || len(s.Properties) == 0 {
		return sample(raw, text)
	}
	object := map[string]any{}
	for name, property := range s.Properties {
		object[name] = l.read(property, text)
		if value, ok := l.find(name); ok {
			object[name] = valued(property, value)
		}
	}
	return object
}

// valued converts a value from a text to the type that a schema asks for.
func valued(raw json.RawMessage, value string) any {
	var s schemaOf
	if json.Unmarshal(raw, &s) != nil {
		return value
	}
	for _, one := range s.Enum {
		if word, ok := one.(string); ok && strings.Contains(strings.ToLower(value), strings.ToLower(word)) {
			return word
		}
	}
	switch kind, _ := s.Type.(string); {
	case kind == "integer" || kind == "number":
		if n := firstNumber.FindString(value); n != "" {
			return json.Number(n)
		}
	case kind == "boolean":
		return strings.HasPrefix(strings.ToLower(value), "yes")
	case kind == "array":
		items := []any{}
		for part := range strings.SplitSeq(value, ",") {
			items = append(items, valued(s.Items, strings.TrimSpace(part)))
		}
		return items
	case kind == "string" && len(s.Enum) == 0:
		return s.fitted(value)
	}
	return sample(raw, value)
}
