package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// mistyped adds that a value has the wrong type, and how to write what was probably meant.
func (e *explainer) mistyped(s *jsonschema.Schema, v any, path []string, expected string) {
	p := e.add(path, "type", "expected %s, but this is %s", expected, describe(v))
	p.Help = rewrite(s, v)
}

// beforeUnit is a number with the name of what it counts.
var beforeUnit = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?) *(?i:tokens?|repeats?|times|passes|turns?|tries|x)$`)

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// rewrite proposes how to write a value of the wrong type, or returns "".
func rewrite(s *jsonschema.Schema, v any) string {
	if v == nil {
		return "write a value, or remove the key"
	}
	text, isText := v.(string)
	help := ""
	switch {
	case isText:
		help = rewriteText(s, text)
	case hasType([]string{"number"}, v):
		help = rewriteNumber(s, v)
	}
	if help != "" {
		return help
	}
	if example := exampleOf(s); example != "" {
		return "write it like this: " + example
	}
	switch {
	case !takes(s, "array"):
		return ""
	case isText && !strings.ContainsAny(strings.Trim(text, "[]"), " "+flowMarks):
		return "write a list: [" + strings.Trim(text, "[]") + "]"
	}
	return `begin each entry with "- "`
}

// rewriteText suggests what was meant by a text of the wrong type.
func rewriteText(s *jsonschema.Schema, text string) string {
	numeric := takes(s, "integer") || takes(s, "number")
	switch {
	case takes(s, "boolean") && slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(text)):
		return "write true or false"
	case numeric && number.MatchString(text):
		return "a number stands without quotes: " + text
	case numeric && beforeUnit.MatchString(text):
		return "write the number alone: " + beforeUnit.FindStringSubmatch(text)[1]
	case numeric:
		return "write the number in digits"
	}
	return ""
}

// rewriteNumber suggests the unit that a number lacks.
func rewriteNumber(s *jsonschema.Schema, v any) string {
	switch {
	case named(s, "duration"):
		return fmt.Sprintf("add the unit: %vs", v)
	case named(s, "percent"):
		if f, ok := v.(float64); ok && f < 1 {
			return fmt.Sprintf("write it in percent: %.4g%%", 100*f)
		}
		return fmt.Sprintf("add the percent sign: %v%%", v)
	}
	return ""
}

// takes reports whether a schema allows values of a type.
func takes(s *jsonschema.Schema, kind string) bool {
	s = resolve(s)
	return slices.Contains(s.Types, kind) ||
		slices.ContainsFunc(slices.Concat(s.AllOf, s.AnyOf, s.OneOf),
			func(sub *jsonschema.Schema) bool { return takes(sub, kind) })
}

// named reports whether a schema is one of the definitions, or allows values of it.
func named(s *jsonschema.Schema, definition string) bool {
	s = resolve(s)
	return strings.HasSuffix(s.Location, "/definitions/"+definition) ||
		slices.ContainsFunc(slices.Concat(s.AllOf, s.AnyOf, s.OneOf),
			func(sub *jsonschema.Schema) bool { return named(sub, definition) })
}

// exampleOf returns the first example that a schema gives, in YAML on one line, or "".
func exampleOf(s *jsonschema.Schema) string {
	s = resolve(s)
	if len(s.Examples) > 0 {
		return flow(s.Examples[0])
	}
	for _, sub := range slices.Concat(s.AllOf, s.AnyOf) {
		if example := exampleOf(sub); example != "" {
			return example
		}
	}
	return ""
}

// flowMarks are the characters that end a plain text in a list or mapping on one line.
const flowMarks = ",:#[]{}&*!|>'\"%@\n"

// flow writes a value as YAML on one line.
func flow(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+": "+flow(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, flow(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		if strings.ContainsAny(v, flowMarks) {
			quoted, _ := json.Marshal(v) // encoding a text cannot fail
			return string(quoted)
		}
		return v
	default:
		return fmt.Sprint(v)
	}
}

// similar returns a text in the form that a schema requires and that differs from what was written only in case and
// separators, or "".
func similar(s *jsonschema.Schema, written string) string {
	if d := durationOf(written); d != "" && named(s, "duration") {
		if ok, _ := check(s, d); ok {
			return d
		}
	}
	for _, separator := range []string{"-", "_"} {
		near := strings.ToLower(strings.NewReplacer(" ", separator, "-", separator, "_",
			separator).Replace(strings.TrimSpace(written)))
		if near == written {
			continue
		}
		if ok, _ := check(s, near); ok {
			return near
		}
	}
	return ""
}

// A duration in words: numbers, each with a unit that people write.
var (
	inWords = regexp.MustCompile(`^(?i)(?:\s*[0-9]+(?:\.[0-9]+)?\s*[a-z]+\.?(?:\s*(?:,|and)\s*)?)+$`)
	oneUnit = regexp.MustCompile(`(?i)([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)`)
)

// units are the units of durations by what people call them.
var units = map[string]string{
	"ms": "ms", "msec": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms",
	"s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
	"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
}

// durationOf writes a duration in words such as "1 minute 30 seconds" as files have it, or returns "".
func durationOf(text string) string {
	if len(text) > 60 || !inWords.MatchString(text) {
		return ""
	}
	var out strings.Builder
	for _, part := range oneUnit.FindAllStringSubmatch(text, -1) {
		unit := units[strings.ToLower(part[2])]
		if unit == "" {
			return ""
		}
		out.WriteString(part[1] + unit)
	}
	return out.String()
}
