package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// mistyped adds that a value has the wrong type, and how to write what was probably meant.
func (e *explainer) mistyped(s *jsonschema.Schema, v any, path []string, expected string) {
	p := e.add(path, "type", "expected %s, but this is %s", expected, describe(v))
	p.Help = rewrite(s, v)
}

// beforeUnit matches a number followed by the name of what it counts.
var beforeUnit = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?) *(?i:tokens?|repeats?|times|passes|turns?|tries|x)$`)

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// rewrite proposes how to write a value of the wrong type, or returns "".
func rewrite(s *jsonschema.Schema, v any) string {
	help := ""
	switch v := v.(type) {
	case nil:
		return "write a value, or remove the key"
	case string:
		help = rewriteText(s, v)
	case []any:
		if nameless(s) {
			return "its entries have their names as keys: write my-name: in place of each -"
		}
	case map[string]any:
		help = namedEntries(s, v)
	case bool:
	default:
		help = rewriteNumber(s, v)
	}
	if help != "" {
		return help
	}
	if example := exampleOf(s); example != "" {
		return "write it like this: " + example
	}
	if takes(s, "array") {
		return asList(s, v)
	}
	return ""
}

// asList says how to write as a list what is none.
func asList(s *jsonschema.Schema, v any) string {
	text, isText := v.(string)
	switch {
	case hasType([]string{"number", "boolean"}, v):
		return fmt.Sprintf("write a list: [%v]", v)
	case !isText:
	case blankless.MatchString(text):
		return "write a blank behind the dash: - " + text[1:]
	case !strings.ContainsAny(strings.Trim(text, "[]()"), " "+flowMarks):
		return "write a list: [" + strings.Trim(text, "[]()") + "]"
	case words.MatchString(text) || numbers.MatchString(text):
		return "write a list: [" + strings.Join(strings.FieldsFunc(text, func(r rune) bool {
			return strings.ContainsRune("[](), ;", r)
		}), ", ") + "]"
	case named(s, "asserts") && !strings.Contains(text, "\n"):
		return `write it below the key and begin it with "- ": - ` + text
	}
	return `begin each entry with "- "`
}

// A list as people write it in a text: an entry without a blank behind its dash, words, numbers.
var (
	blankless = regexp.MustCompile(`^-[a-z_]`)
	words     = regexp.MustCompile(`^[\[(]?[\w-]+(?:[,;] *[\w-]+)*[\])]?$`)
	numbers   = regexp.MustCompile(`^[\[(]?-?[0-9.]+(?:[,; ] *-?[0-9.]+)*[\])]?$`)
)

// pointed matches a reference that is not written as one.
var pointed = regexp.MustCompile(`^[$<({%]*\s*((?:matrix|vars)\.[a-z][a-z0-9_]*)\s*[>)}%]*$`)

// ranged matches the bounds of a range of whole numbers.
var ranged = regexp.MustCompile(`^([0-9]{1,4}) *(?:\.{2,3}|-|–|to) *([0-9]{1,4})$`)

// listed says how to write a range of whole numbers, as the values of an axis.
func listed(text string) string {
	m := ranged.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	low, _ := strconv.Atoi(m[1])
	high, _ := strconv.Atoi(m[2])
	var all []string
	for n := low; n <= high && len(all) < 8; n++ {
		all = append(all, strconv.Itoa(n))
	}
	if len(all) < high-low+1 {
		all = append(all, "…")
	}
	return "a range is no value: write its numbers out, [" + strings.Join(all, ", ") + "]"
}

// rewriteText suggests what was meant by a text of the wrong type.
func rewriteText(s *jsonschema.Schema, text string) string {
	numeric := takes(s, "integer") || takes(s, "number")
	switch {
	case pointed.MatchString(text):
		return `write a reference like this: "${` + pointed.FindStringSubmatch(text)[1] + `}"`
	case numeric && listed(text) != "":
		return listed(text)
	case takes(s, "boolean") && slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(text)):
		return "write true or false"
	case numeric && number.MatchString(text):
		return "a number stands without quotes: " + text
	case numeric && beforeUnit.MatchString(text):
		return "write the number alone: " + beforeUnit.FindStringSubmatch(text)[1]
	case numeric && percentage.MatchString(text):
		return inPercent(s, percentage.FindStringSubmatch(text)[1])
	case numeric && grouped.MatchString(text):
		return "write the number without signs between its digits: " + strings.NewReplacer(",", "", "'", "", " ", "",
			"\u00a0", "", "\u202f", "").Replace(text)
	case numeric && decimalComma.MatchString(text):
		return "write the number with a point: " + strings.Replace(text, ",", ".", 1)
	case numeric:
		return "write the number in digits"
	}
	return ""
}

// Numbers as people write them.
var (
	percentage   = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) *(?:%|percent)$`)
	grouped      = regexp.MustCompile(`^[1-9][0-9]{0,2}(?:[,' \x{a0}\x{202f}][0-9]{3})+$`)
	decimalComma = regexp.MustCompile(`^-?[0-9]+,[0-9]+$`)
)

// inPercent says how a percentage is written where a number is expected: as a share where none above 1 is possible.
func inPercent(s *jsonschema.Schema, digits string) string {
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !share(s) {
		return "write the number alone: " + digits
	}
	return fmt.Sprintf("write the share, from 0 to 1: %g", v/100)
}

// share reports whether a schema allows no number above 1.
func share(s *jsonschema.Schema) bool {
	s = resolve(s)
	return s.Maximum != nil && s.Maximum.Cmp(big.NewRat(1, 1)) <= 0 ||
		slices.ContainsFunc(slices.Concat(s.AllOf, s.AnyOf, s.OneOf), share)
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
	case named(s, "identifier"):
		return fmt.Sprintf("begin it with a letter: n%v", v)
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
	if m := asPercent.FindStringSubmatch(written); m != nil && named(s, "percent") {
		near := m[1] + "%"
		if v, err := strconv.ParseFloat(m[1], 64); m[2] == "" && err == nil && v <= 1 {
			near = fmt.Sprintf("%.4g%%", 100*v)
		}
		if ok, _ := check(s, near); ok {
			return near
		}
	}
	if near := addressOf(written); near != "" && near != written {
		if ok, _ := check(s, near); ok && strings.Contains(resolve(s).Title, "URL") {
			return near
		}
	}
	for _, separator := range []string{"-", "_"} {
		near := strings.Trim(betweenWords.ReplaceAllString(strings.ToLower(written), separator), separator)
		if near == written || near == "" || named(s, "duration") || named(s, "percent") {
			continue
		}
		if ok, _ := check(s, near); ok {
			return near
		}
	}
	return ""
}

var (
	asPercent    = regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]+)?)\s*(%|percent|pct|per cent)?\s*$`)
	betweenWords = regexp.MustCompile(`[ _.,:;/-]+`)
)

var hostAndPort = regexp.MustCompile(`^(?:(https?)://)?([\w.-]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?(?:/.*)?$`)

// addressOf returns the address of a server with its scheme and without a path, or "".
func addressOf(text string) string {
	m := hostAndPort.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return ""
	}
	return cmp.Or(m[1], "http") + "://" + m[2] + m[3]
}

// A duration in words: numbers with units.
var (
	inWords = regexp.MustCompile(`^(?i)(?:\s*[0-9]+(?:\.[0-9]+)?\s*[a-z]+\.?(?:\s*(?:,|and)\s*)?)+$`)
	oneUnit = regexp.MustCompile(`(?i)([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)`)
)

// units maps the names that people use for units of time to ours.
var units = map[string]string{
	"ms": "ms", "msec": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms",
	"s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
	"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
}

// durationOf converts a duration in words such as "1 minute 30 seconds" to the form of files, or returns "".
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
