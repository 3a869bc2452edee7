package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// AnswerSchema is a JSON Schema (draft-07) that a scenario states for answers. The schema and the answers are
// untrusted, so both are limited: the schema must expand to a finite tree that refers only to itself, and a text is
// checked only up to a size.
type AnswerSchema struct {
	Doc any // the schema as decoded by encoding/json

	compiled *jsonschema.Schema
	rules    int
}

// The limits of an answer schema.
const (
	mostRules  = 2_000   // subschemas, entries of lists and steps of patterns, each counted as often as it is referred to
	mostText   = 1 << 20 // bytes of an answer
	mostValues = 10_000  // values in an answer: some keywords compare each with each
	mostWork   = 500_000 // rules times values: any rule may meet any value, and each mismatch is kept until all are known
)

// subschemas says where a keyword of draft-07 holds schemas: itself, in a list or in a mapping. Keywords without
// schemas are listed as well: any other keyword has no meaning, and a misspelt one would silently accept everything.
var subschemas = map[string]string{
	"$ref": "", "title": "", "description": "", "default": "", "examples": "", "$comment": "",
	"type": "", "enum": "", "const": "", "required": "", "minProperties": "", "maxProperties": "",
	"minItems": "", "maxItems": "", "uniqueItems": "", "minLength": "", "maxLength": "", "pattern": "", "format": "",
	"minimum": "", "maximum": "", "exclusiveMinimum": "", "exclusiveMaximum": "", "multipleOf": "",
	"additionalProperties": "one", "additionalItems": "one", "not": "one", "contains": "one", "propertyNames": "one",
	"if": "one", "then": "one", "else": "one", "items": "one or list",
	"properties": "mapping", "patternProperties": "mapping", "definitions": "mapping", "dependencies": "mapping",
	"allOf": "list", "anyOf": "list", "oneOf": "list",
}

// types are JSON Schema's names for types.
var types = []string{"string", "number", "integer", "boolean", "array", "object", "null"}

// NewAnswerSchema checks and compiles a schema. It loads nothing.
func NewAnswerSchema(doc any) (s *AnswerSchema, problems []Problem) {
	defer func() {
		if p := recover(); p != nil {
			s, problems = nil, []Problem{{Rule: "invalid", Message: fmt.Sprintf("the schema cannot be read: %v", p)}}
		}
	}()
	l := linter{root: doc, sizes: map[string]int{}}
	l.lint(doc, nil)
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	n := l.size(doc, nil)
	if len(l.problems) > 0 || n > mostRules {
		l.add(nil, "size", "", "the schema has more than %d rules, those counted again that are referred to, and with them "+
			"entries of enum and required and steps of patterns", mostRules)
		return nil, l.problems[:1]
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, []Problem{{Rule: "invalid", Message: err.Error()}}
	}
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft7, true
	c.LoadURL = func(string) (io.ReadCloser, error) { return nil, errors.New("nothing is loaded") }
	if err := c.AddResource("answer", bytes.NewReader(text)); err != nil {
		return nil, []Problem{{Rule: "invalid", Message: err.Error()}}
	}
	compiled, err := c.Compile("answer")
	if err != nil {
		return nil, []Problem{broken(err)}
	}
	return &AnswerSchema{doc, compiled, n}, nil
}

// broken gives a finding of the meta-schema its place.
func broken(err error) Problem {
	if ve, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		at, message := first(ve)
		return Problem{Path: pointer(at), Rule: "invalid", Message: message}
	}
	if e, ok := errors.AsType[*jsonschema.SchemaError](err); ok {
		err = e.Err
		if ve, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
			at, message := first(ve)
			return Problem{Path: pointer(at), Rule: "invalid", Message: message}
		}
	}
	return Problem{Rule: "invalid", Message: err.Error()}
}

type linter struct {
	root     any
	problems []Problem
	sizes    map[string]int // size of the target of a reference; -1 while it is being measured
}

func (l *linter) add(path []string, rule, key, format string, args ...any) *Problem {
	l.problems = append(l.problems, Problem{Path: slices.Clone(path), Key: key, Rule: rule,
		Message: fmt.Sprintf(format, args...)})
	return &l.problems[len(l.problems)-1]
}

// lint finds keywords without a meaning and references without a target.
func (l *linter) lint(v any, path []string) {
	m, ok := v.(map[string]any)
	if !ok {
		if _, ok := v.(bool); !ok {
			l.add(path, "type", "", "a schema is a mapping, or true or false")
		}
		return
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		at := append(slices.Clone(path), key)
		where, known := subschemas[key]
		switch {
		case key == "$id" || key == "$schema":
			l.add(path, "unknown-key", key, "%s is not possible here: the schema is draft-07, and refers to nothing but itself",
				key).Help = "leave it out"
		case !known:
			l.add(path, "unknown-key", key, "unknown keyword %q", key).Known = slices.Sorted(maps.Keys(subschemas))
		case key == "$ref":
			if to, _ := m[key].(string); !strings.HasPrefix(to, "#/") || l.find(to) == nil {
				l.add(at, "value", "", "%v leads to nothing in this schema",
					m[key]).Help = "write #/definitions/NAME; nothing is loaded from elsewhere"
			} else if len(m) > 1 {
				l.add(path, "value", key, "keys beside $ref are ignored").Help = "put both into allOf"
			}
		case key == "type", key == "format":
			l.word(at, key, m[key])
		case key == "pattern":
			if text, _ := m[key].(string); text != "" {
				l.pattern(at, text)
			}
		case key == "patternProperties":
			names, _ := m[key].(map[string]any)
			for _, text := range slices.Sorted(maps.Keys(names)) {
				l.pattern(at, text)
			}
		}
		for name, sub := range parts(where, m[key]) {
			l.lint(sub, append(slices.Clone(at), name...))
		}
	}
}

// word reports an unknown type or format.
func (l *linter) word(at []string, key string, v any) {
	word, isText := v.(string)
	switch {
	case key == "format" && jsonschema.Formats[word] == nil:
		l.add(at, "value", "", "unknown format %v", v).Known = slices.Sorted(maps.Keys(jsonschema.Formats))
	case key == "type" && isText && !slices.Contains(types, word):
		l.add(at, "value", "", "%q is no type", word).Known = types
	}
}

func (l *linter) pattern(at []string, text string) {
	if _, err := PatternSteps(text); err != nil {
		l.add(at, "value", "", "no regular expression: %v", err)
	}
}

// parts yields the schemas that a keyword holds, with the keys that lead to each.
func parts(where string, v any) func(func([]string, any) bool) {
	return func(yield func([]string, any) bool) {
		list, isList := v.([]any)
		mapping, isMapping := v.(map[string]any)
		switch {
		case where == "":
		case where == "mapping" && isMapping:
			for _, k := range slices.Sorted(maps.Keys(mapping)) {
				if _, names := mapping[k].([]any); names {
					continue // dependencies may list names
				}
				if !yield([]string{k}, mapping[k]) {
					return
				}
			}
		case isList && strings.HasSuffix(where, "list"):
			for i, sub := range list {
				if !yield([]string{strconv.Itoa(i)}, sub) {
					return
				}
			}
		case strings.HasPrefix(where, "one"):
			yield(nil, v)
		}
	}
}

// size counts the rules of a schema as often as they can be reached. A schema that reaches itself would have no end.
func (l *linter) size(v any, path []string) int {
	m, ok := v.(map[string]any)
	if !ok {
		return 1
	}
	if ref, ok := m["$ref"].(string); ok {
		n, known := l.sizes[ref]
		if known && n < 0 {
			l.add(path, "value", "$ref", "%s refers to itself without end", ref)
			return 0
		}
		if !known {
			l.sizes[ref] = -1
			n = l.size(l.find(ref), pointer(strings.TrimPrefix(ref, "#")))
			l.sizes[ref] = n
		}
		return n
	}
	n := 1
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key == "definitions" {
			continue // counted where it is referenced
		}
		n += l.work(key, m[key])
		if list, ok := m[key].([]any); ok && subschemas[key] == "" {
			n += len(list) // each entry is compared with each value
		}
		for name, sub := range parts(subschemas[key], m[key]) {
			n += l.size(sub, append(append(slices.Clone(path), key), name...))
			n = min(n, 10*mostRules)
		}
	}
	return n
}

// work is a keyword's cost besides its subschemas: each entry is compared with each value, and each step of a pattern
// with each character.
func (l *linter) work(key string, v any) int {
	list, _ := v.([]any)
	n := len(list)
	switch key {
	case "enum", "required":
	case "pattern":
		text, _ := v.(string)
		n, _ = PatternSteps(text) // a pattern that does not compile has been reported
	case "patternProperties":
		n = 0
		names, _ := v.(map[string]any)
		for text := range names {
			steps, _ := PatternSteps(text)
			n += steps
		}
	case "dependencies":
		n = 0
		names, _ := v.(map[string]any)
		for _, of := range names {
			list, _ := of.([]any)
			n += len(list)
		}
	default:
		n = 0
	}
	return min(n, 10*mostRules)
}

// find returns the target of a reference within the schema, or nil.
func (l *linter) find(ref string) any {
	at := l.root
	for _, key := range pointer(strings.TrimPrefix(ref, "#")) {
		switch v := at.(type) {
		case map[string]any:
			at = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// pointer splits a JSON pointer.
func pointer(p string) []string {
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		return nil
	}
	keys := strings.Split(p, "/")
	for i, k := range keys {
		keys[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(k)
	}
	return keys
}

// Check says whether a text is one JSON value, alone or in one fenced block, that conforms to the schema, and where
// it does not. It returns an error if the text is too large to be checked.
func (s *AnswerSchema) Check(text string) (ok bool, why string, err error) {
	defer func() {
		if p := recover(); p != nil {
			ok, err = false, fmt.Errorf("the text cannot be checked: %v", p)
		}
	}()
	if text, why, err = Unfenced(text); why != "" || err != nil {
		return false, why, err
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return false, "it is not JSON: " + err.Error(), nil
	}
	if most := min(mostValues, mostWork/s.rules); count(v, most) > most {
		return false, "", fmt.Errorf("the text holds more than %d values, which are the most for a schema of %d rules", most,
			s.rules)
	}
	if err := s.compiled.Validate(v); err != nil {
		ve, is := errors.AsType[*jsonschema.ValidationError](err)
		if !is {
			return false, "", err
		}
		at, message := first(ve)
		if at == "" {
			return false, message, nil
		}
		return false, at + ": " + message, nil
	}
	return true, "", nil
}

// Unfenced returns the JSON in a text: the whole text, or the contents of the fenced block that it consists of. Why
// says that there is none; the error says that the text is too large.
func Unfenced(text string) (inner, why string, err error) {
	if len(text) > mostText {
		return "", "", fmt.Errorf("the text has %d bytes, and at most %d are checked", len(text), mostText)
	}
	inner = strings.TrimSpace(text)
	if rest, fenced := strings.CutPrefix(inner, "```"); fenced {
		_, rest, _ = strings.Cut(rest, "\n") // skips the language of the fence
		if inner, fenced = strings.CutSuffix(rest, "```"); !fenced {
			return "", "it is not JSON: the fenced block has no end", nil
		}
	}
	return inner, "", nil
}

// count counts the values of a document, and stops above the limit.
func count(v any, most int) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if n > most {
				break
			}
			n += count(e, most-n)
		}
	case map[string]any:
		for _, e := range v {
			if n > most {
				break
			}
			n += count(e, most-n)
		}
	}
	return n
}

var names = regexp.MustCompile(`'[^']*'(, '[^']*')+`)

// first returns the first of the errors that the library found, by place and text: the library returns them in the
// order of Go's maps, and lists several keys in that order too.
func first(ve *jsonschema.ValidationError) (at, message string) {
	type leaf struct{ at, message string }
	var leaves []leaf
	var collect func(*jsonschema.ValidationError)
	collect = func(e *jsonschema.ValidationError) {
		for _, c := range e.Causes {
			collect(c)
		}
		if len(e.Causes) == 0 {
			leaves = append(leaves, leaf{e.InstanceLocation, names.ReplaceAllStringFunc(e.Message, func(list string) string {
				all := strings.Split(list, ", ")
				slices.Sort(all)
				return strings.Join(all, ", ")
			})})
		}
	}
	collect(ve)
	slices.SortFunc(leaves, func(a, b leaf) int {
		return strings.Compare(a.at+"\x00"+a.message, b.at+"\x00"+b.message)
	})
	more := ""
	if len(leaves) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(leaves)-1)
	}
	return leaves[0].at, leaves[0].message + more
}
