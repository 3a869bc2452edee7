package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// explainer walks over a schema and a document that does not match it, and says why in homellm's own words. The
// validator's errors are not used, because their text depends on the order of Go maps, and of several alternatives
// they report the first.
type explainer struct {
	problems []Problem
}

func (e *explainer) add(path []string, rule, format string, args ...any) *Problem {
	e.problems = append(e.problems, Problem{Path: slices.Clone(path), Rule: rule, Message: fmt.Sprintf(format, args...)})
	return &e.problems[len(e.problems)-1]
}

// explain adds what is wrong with a value, which is nothing if it matches the schema. It knows the keywords that
// homellm's schemas use, which a test checks.
func (e *explainer) explain(s *jsonschema.Schema, v any, path []string) {
	if s.Ref != nil {
		e.explain(s.Ref, v, path)
		return
	}
	if len(s.Types) > 0 && !hasType(s.Types, v) {
		e.mistyped(s, v, path, expected(s))
		return
	}
	if values := possible(s); values != nil && !slices.ContainsFunc(values, func(c any) bool { return equal(c, v) }) {
		p := e.add(path, "value", "%s is not possible here", describe(v))
		for _, c := range values {
			p.Known = append(p.Known, fmt.Sprint(c))
		}
		p.Help = "use " + choice(p.Known)
		if text, ok := v.(string); ok {
			p.Meant = meant(text, p.Known)
		}
		return
	}
	for _, sub := range s.AllOf {
		e.explain(sub, v, path)
	}
	e.alternatives(s, s.AnyOf, v, path)
	e.alternatives(s, s.OneOf, v, path)
	switch v := v.(type) {
	case map[string]any:
		e.object(s, v, path)
	case []any:
		e.array(s, v, path)
	case string:
		e.text(s, v, path)
	default:
		e.number(s, v, path)
	}
}

// possible returns the values that an enum or const allows, or nil.
func possible(s *jsonschema.Schema) []any {
	if len(s.Constant) > 0 {
		return s.Constant
	}
	return s.Enum
}

// declarative are the keys of an older form of chat templates, which Jinja templates have replaced.
var declarative = []string{
	"alternate", "default_system", "generation_prompt", "no_generation_suffix", "preamble", "roles", "separator",
	"skip_empty_system", "system", "thinking", "trim",
}

const jinjaOnly = "chat templates are Jinja: write the model's chat_template under jinja, or like: chatml for a " +
	"shipped one"

func (e *explainer) object(s *jsonschema.Schema, v map[string]any, path []string) {
	for _, key := range slices.Sorted(maps.Keys(v)) {
		if s.PropertyNames != nil {
			if ok, _ := check(s.PropertyNames, key); !ok {
				p := e.add(path, "key-format", "%q is not %s", key, expected(s.PropertyNames))
				p.Key = key
				if near := similar(s.PropertyNames, key); near != "" {
					p.Help = "write " + near
				}
				for _, c := range possible(resolve(s.PropertyNames)) {
					p.Known = append(p.Known, fmt.Sprint(c))
				}
				continue
			}
		}
		if sub, ok := s.Properties[key]; ok {
			e.explain(sub, v[key], append(path, key))
			continue
		}
		switch additional := s.AdditionalProperties.(type) {
		case *jsonschema.Schema:
			e.explain(additional, v[key], append(path, key))
		case bool:
			if !additional {
				p := e.add(path, "unknown-key", "unknown key %q", key)
				p.Key, p.Known = key, slices.Sorted(maps.Keys(s.Properties))
				p.Meant = meant(key, p.Known)
				if at := below(s, key); at != "" {
					p.Help = "it belongs in " + at
				}
				if s.Properties["jinja"] != nil && slices.Contains(declarative, key) {
					p.Help = jinjaOnly
				}
			}
		}
	}
	for _, key := range s.Required {
		if _, ok := v[key]; !ok {
			p := e.add(path, "missing-key", "key %q is missing", key)
			p.Missing = []string{key}
			if sub, ok := s.Properties[key]; ok {
				p.Help = description(sub)
				if key == "id" {
					p.Help = "write it, such as id: first_question. " + p.Help
				}
			}
		}
	}
	if n := len(v); s.MinProperties > n {
		e.add(path, "size", "the mapping is empty")
	}
}

// below returns where in a mapping, but not at its top, a key belongs: request, or defaults.request. It is empty if
// there is no such place.
func below(s *jsonschema.Schema, key string) string {
	var deeper []string
	for _, parent := range slices.Sorted(maps.Keys(s.Properties)) {
		sub := resolve(s.Properties[parent])
		if len(sub.AllOf) == 1 {
			sub = resolve(sub.AllOf[0])
		}
		if sub.Properties[key] != nil {
			return parent
		}
		if at := below(sub, key); at != "" {
			deeper = append(deeper, parent+"."+at)
		}
	}
	if len(deeper) == 0 {
		return ""
	}
	return deeper[0]
}

func (e *explainer) array(s *jsonschema.Schema, v []any, path []string) {
	if s.MinItems > len(v) {
		e.add(path, "size", "the list has %d entries; at least %d are needed", len(v), s.MinItems)
	}
	if s.MaxItems >= 0 && len(v) > s.MaxItems {
		e.add(path, "size", "the list has %d entries; at most %d are possible", len(v), s.MaxItems)
	}
	items, _ := s.Items.(*jsonschema.Schema)
	for i, item := range v {
		at := append(path, strconv.Itoa(i))
		if items != nil {
			e.explain(items, item, at)
		}
		if s.UniqueItems {
			if j := slices.IndexFunc(v[:i], func(o any) bool { return equal(o, item) }); j >= 0 {
				e.add(at, "unique", "%s is already in the list", describe(item))
			}
		}
	}
}

func (e *explainer) text(s *jsonschema.Schema, v string, path []string) {
	n := utf8.RuneCountInString(v)
	switch {
	case s.MinLength > n && n == 0:
		e.add(path, "size", "the text is empty")
	case s.MinLength > n:
		e.add(path, "size", "the text has %d characters; at least %d are needed", n, s.MinLength)
	case s.MaxLength >= 0 && n > s.MaxLength:
		e.add(path, "size", "the text has %d characters; at most %d are possible", n, s.MaxLength)
	case s.Pattern != nil && !s.Pattern.MatchString(v):
		p := e.add(path, "format", "%s is not %s", describe(v), expected(s))
		if near := similar(s, v); near != "" {
			p.Help = "write " + near
		} else if named(s, "duration") {
			p.Help = "write digits with their units: 60s"
		}
	}
}

func (e *explainer) number(s *jsonschema.Schema, v any, path []string) {
	n, ok := new(big.Rat).SetString(fmt.Sprint(v))
	if !ok {
		return
	}
	low, high := s.Minimum, s.Maximum
	switch {
	case low != nil && n.Cmp(low) < 0, high != nil && n.Cmp(high) > 0:
		e.add(path, "range", "%v is out of range: it must be %s", v, bounds(low, high))
	case s.ExclusiveMinimum != nil && n.Cmp(s.ExclusiveMinimum) <= 0:
		e.add(path, "range", "%v is out of range: it must be more than %s", v, rat(s.ExclusiveMinimum))
	}
}

func bounds(low, high *big.Rat) string {
	switch {
	case high == nil:
		return rat(low) + " or more"
	case low == nil:
		return rat(high) + " or less"
	default:
		return rat(low) + " to " + rat(high)
	}
}

func rat(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(6), "0")
}

// alternatives explains a value that matches none of several schemas, or several where exactly one must match.
func (e *explainer) alternatives(s *jsonschema.Schema, subs []*jsonschema.Schema, v any, path []string) {
	if len(subs) == 0 {
		return
	}
	if keys := choiceOfKeys(subs); keys != nil {
		if m, ok := v.(map[string]any); ok {
			e.oneKey(keys, m, path)
		}
		return
	}
	// A reference can replace any value and is never what the author meant to write.
	fit := slices.Clone(subs)
	for _, sub := range subs {
		if ok, _ := check(sub, v); ok {
			return
		}
	}
	fit = slices.DeleteFunc(fit, func(sub *jsonschema.Schema) bool {
		t := resolve(sub)
		return isReference(t) || len(t.Types) > 0 && !hasType(t.Types, v)
	})
	switch {
	case len(fit) == 1:
		e.explain(fit[0], v, path)
	case len(fit) > 1 && slices.ContainsFunc(fit, func(f *jsonschema.Schema) bool { return possible(resolve(f)) == nil }):
		// Several could be meant: explain the one that is not just a list of values.
		i := slices.IndexFunc(fit, func(f *jsonschema.Schema) bool { return possible(resolve(f)) == nil })
		e.explain(fit[i], v, path)
	default:
		var names []string
		for _, sub := range subs {
			if !isReference(resolve(sub)) {
				names = append(names, expected(sub))
			}
		}
		if s.Title != "" {
			names = []string{s.Title}
		}
		e.mistyped(s, v, path, strings.Join(names, " or "))
	}
}

// choiceOfKeys returns the keys if every alternative is nothing but one required key.
func choiceOfKeys(subs []*jsonschema.Schema) []string {
	var keys []string
	for _, sub := range subs {
		if len(sub.Required) != 1 || len(sub.Properties) > 0 || len(sub.Types) > 0 {
			return nil
		}
		keys = append(keys, sub.Required[0])
	}
	return keys
}

func (e *explainer) oneKey(keys []string, v map[string]any, path []string) {
	var present []string
	for _, key := range keys {
		if _, ok := v[key]; ok {
			present = append(present, key)
		}
	}
	switch len(present) {
	case 0:
		p := e.add(path, "one-of", "one of these keys is missing: %s", strings.Join(keys, ", "))
		p.Help = "add exactly one of them"
		p.Missing = keys
	case 1:
	default:
		p := e.add(path, "one-of", "only one of these keys is possible: %s", strings.Join(present, ", "))
		p.Help = "keep one of them"
		p.Key = present[1]
	}
}

func isReference(s *jsonschema.Schema) bool {
	return strings.HasSuffix(s.Location, "/definitions/reference")
}

func resolve(s *jsonschema.Schema) *jsonschema.Schema {
	for s.Ref != nil {
		s = s.Ref
	}
	return s
}

// expected names what a schema describes: its title, or its values, or its type.
func expected(s *jsonschema.Schema) string {
	s = resolve(s)
	if s.Title != "" {
		return s.Title
	}
	if values := possible(s); values != nil {
		var names []string
		for _, c := range values {
			names = append(names, fmt.Sprint(c))
		}
		return choice(names)
	}
	var names []string
	for _, t := range s.Types {
		names = append(names, typeNames[t])
	}
	if len(names) == 0 {
		for _, sub := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
			if !isReference(resolve(sub)) {
				names = append(names, expected(sub))
			}
		}
	}
	if len(names) == 0 {
		return "another value"
	}
	return strings.Join(names, " or ")
}

func choice(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

var typeNames = map[string]string{
	"string": "a text", "number": "a number", "integer": "a whole number", "boolean": "true or false",
	"array": "a list", "object": "a mapping", "null": "nothing",
}

// hasType reports whether a value is of one of the types of JSON Schema.
func hasType(types []string, v any) bool {
	return slices.ContainsFunc(types, func(t string) bool {
		switch v := v.(type) {
		case nil:
			return t == "null"
		case bool:
			return t == "boolean"
		case string:
			return t == "string"
		case []any:
			return t == "array"
		case map[string]any:
			return t == "object"
		case float64:
			return t == "number" || t == "integer" && v == float64(int64(v))
		default:
			return t == "number" || t == "integer"
		}
	})
}

// describe names a value in a message.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "empty"
	case string:
		if utf8.RuneCountInString(v) > 60 {
			return "a long text"
		}
		return strconv.Quote(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	default:
		return fmt.Sprint(v)
	}
}

// equal compares two plain values; 1 and 1.0 are the same.
func equal(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
