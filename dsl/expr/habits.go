package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

const unitHelp = "write the number alone: the unit is part of the metric's name, as in ttft_ms"

// form is how something is written in another language, or every day: the text before and after the position of the
// parser's error.
type form struct {
	before, behind *regexp.Regexp
	help           string
}

// habits are compiled for the first mistake: most files have none.
var habits = sync.OnceValue(func() []form {
	return []form{
		{regexp.MustCompile(`[0-9]\s+$`), regexp.MustCompile(`^(?i)(percent|pct|per cent)\b`), shareHelp},
		{regexp.MustCompile(``), regexp.MustCompile(`^(AND|OR|NOT|IN)\b`),
			"operators are written in lower case: and, or, not, in"},
		{regexp.MustCompile(``), regexp.MustCompile(`^(contains|matches|startsWith|endsWith)\b`),
			`write it between two texts: turn.text contains "250"`},
		{regexp.MustCompile(`\S\s+(not\s+)?$`),
			regexp.MustCompile(`^(?i)(includes?|has|have|contain|containing|like|holds?)\b`),
			`write contains: turn.text contains "250"`},
		{regexp.MustCompile(`\S\s+(not\s+)?$`), regexp.MustCompile(`^(?i)(starts|begins)_?with\b`),
			`write startsWith: turn.text startsWith "Yes"`},
		{regexp.MustCompile(`\S\s+(not\s+)?$`), regexp.MustCompile(`^(?i)ends_?with\b`),
			`write endsWith: turn.text endsWith "."`},
		{regexp.MustCompile(`\S\s+(not\s+)?$`), regexp.MustCompile(`^(?i)match\b|^!?~`),
			`write matches: turn.text matches "^[0-9]+$"`},
		{regexp.MustCompile(`^\s*(?i:assert|expect|check|require|ensure|if|when|that)\s+$`), regexp.MustCompile(`^[\w(!]`),
			"leave out the first word: an assertion is the condition alone"},
		{regexp.MustCompile(`\bcell\(\s*[a-z_]+\s*$`), regexp.MustCompile(`^=`),
			`write the values of axes in braces: cell({axis: "value"})`},
		{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(is|equals?|eq)\b`), "compare with =="},
		{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(below|under|less|lt)\b`), "compare with <"},
		{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(above|over|more|greater|gt)\b`), "compare with >"},
		{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(lte|le|at\s+most)\b`), "compare with <="},
		{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(gte|ge|at\s+least)\b`), "compare with >="},
		{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(between|from|within)\b`),
			"write both bounds: 100 <= turn.ttft_ms <= 500"},
		{regexp.MustCompile(`\w'$`), regexp.MustCompile(`^\w`), quoteHelp('\'')},
		{regexp.MustCompile(`\w"$`), regexp.MustCompile(`^\w`), quoteHelp('"')},
		{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)then\b`), "write it as condition ? value : other"},
		{regexp.MustCompile(``), regexp.MustCompile(`^=~`), `write matches: turn.text matches "^[0-9]+$"`},
		{regexp.MustCompile(``), regexp.MustCompile(`^=>`), "write >="},
		{regexp.MustCompile(``), regexp.MustCompile(`^=<`), "write <="},
		{regexp.MustCompile(`<$`), regexp.MustCompile(`^>`), "write !="},
		{regexp.MustCompile(``), regexp.MustCompile(`^=`), "compare with =="},
		{regexp.MustCompile(``), regexp.MustCompile(`^&`), "write and, or &&"},
		{regexp.MustCompile(`\$$`), regexp.MustCompile(`^\{`),
			"an expression names vars.NAME and matrix.AXIS directly, without ${}"},
		{regexp.MustCompile(`(?:^|[^0-9.,_])0$`), regexp.MustCompile(`^,[0-9]`), "write a number with a point: 0.5"},
		{regexp.MustCompile(`[0-9]$`), regexp.MustCompile(`^,[0-9]{3}\b`), "write a number without commas: 1000"},
		{regexp.MustCompile(`[0-9]$`), regexp.MustCompile(`^,[0-9]`), "write a number with a point: 0.5"},
		{regexp.MustCompile(`[0-9]\s+$`), regexp.MustCompile(`^[0-9]{3}\b`), "write a number without blanks: 1000"},
	}
})

// signs are characters of typography, and how to write each.
var signs = map[rune]string{
	'≤': "write <=", '⩽': "write <=", '≥': "write >=", '⩾': "write >=", '≠': "write !=", '＝': "compare with ==",
	'×': "write *", '·': "write *", '÷': "write /", '−': "write -", '–': "write -", '—': "write -", '∈': "write in",
	'≈': "write within(turn.ttft_ms, 100, 5)", '¬': "write not", '∧': "write and", '∨': "write or",
	'…': "write two points between the bounds of a range: 1..5", '٪': shareHelp, '％': shareHelp,
	'“': straightHelp, '”': straightHelp, '„': straightHelp, '‘': straightHelp, '’': straightHelp, '‚': straightHelp,
	'«': straightHelp, '»': straightHelp, '`': straightHelp, '´': straightHelp,
	'\u200b': "an invisible character stands here: remove it", '\u2060': "an invisible character stands here: remove it",
}

const (
	shareHelp    = "rates are shares from 0 to 1: 50 % is 0.5"
	straightHelp = `write straight quotes: " or '`
)

const bounds = `(?:in\s+)?(?:between|from|within)\s+([\w.]+)\s+(?:and|to)\s+([\w.]+)`

// rewriting is an expression as other languages write it, and how to write it here.
type rewriting struct {
	from *regexp.Regexp
	to   string
}

var rewritings = sync.OnceValue(func() []rewriting {
	return []rewriting{
		{regexp.MustCompile(`^\s*([0-9][\w.]*)\s+in\s+([\w.]+)\s*$`), `$2 contains "$1"`},
		{regexp.MustCompile(`^\s*([0-9][\w.]*)\s+not\s+in\s+([\w.]+)\s*$`), `not ($2 contains "$1")`},
		{regexp.MustCompile(`^\s*("[^"]*"|'[^']*'|[\w.]+)\s+in\s+([\w.]+)\s*$`), "$2 contains $1"},
		{regexp.MustCompile(`^\s*("[^"]*"|'[^']*'|[\w.]+)\s+not\s+in\s+([\w.]+)\s*$`), "not ($2 contains $1)"},
		{regexp.MustCompile(`^\s*([\w.]+)\.(contains|matches|startsWith|endsWith)\(([^()]+)\)\s*$`), "$1 $2 $3"},
		{regexp.MustCompile(`^\s*(contains|matches|startsWith|endsWith)\(\s*([\w.]+)\s*,\s*([^()]+)\)\s*$`), "$2 $1 $3"},
		{regexp.MustCompile(`^\s*([\w.]+)\s+(?:includes?|has|like|contain)\s+("[^"]*"|'[^']*')\s*$`), "$1 contains $2"},
		{regexp.MustCompile(`^\s*([\w.]+)\s*=~\s*/([^/"]*)/\s*$`), `$1 matches "$2"`},
		{regexp.MustCompile(`^\s*([\w.]+)\s+(?:is\s+)?` + bounds + `\s*$`), "$2 <= $1 <= $3"},
		{regexp.MustCompile(`^\s*([\w.]+)\s+(?:is\s+)?not\s+` + bounds + `\s*$`), "$1 < $2 or $1 > $3"},
	}
})

// methods are methods of other languages, with the function or the operator that does the same here.
var methods = map[string]string{
	"lower": "lower", "tolower": "lower", "lowercase": "lower", "tolowercase": "lower", "casefold": "lower",
	"upper": "upper", "toupper": "upper", "uppercase": "upper", "touppercase": "upper",
	"trim": "trim", "strip": "trim", "len": "len", "length": "len", "size": "len", "count": "len", "split": "split",
	"contains": "contains", "includes": "contains", "include": "contains", "has": "contains", "indexof": "contains",
	"find": "contains", "contain": "contains", "matches": "matches", "match": "matches", "test": "matches",
	"search": "matches", "startswith": "startsWith", "endswith": "endsWith",
}

// method says how to write a method of a value here, or "".
func method(text, name string) string {
	ours := methods[strings.ToLower(strings.ReplaceAll(name, "_", ""))]
	if ours == "" {
		return ""
	}
	value := "turn.text"
	if m := regexp.MustCompile(`([A-Za-z_][\w.]*)\.` + regexp.QuoteMeta(name) + `\b`).FindStringSubmatch(text); m != nil {
		value = m[1]
	}
	switch {
	case slices.Contains(operators, ours):
		return fmt.Sprintf(`write %s between two texts: %s %s "250"`, ours, value, ours)
	case ours == "split":
		return fmt.Sprintf(`write it as split(%s, " ")`, value)
	}
	return fmt.Sprintf("write it as %s(%s)", ours, value)
}

// rewritten says how a whole expression is written here, or "".
func rewritten(text string) string {
	for _, r := range rewritings() {
		if r.from.MatchString(text) {
			return "write it as " + strings.TrimSpace(r.from.ReplaceAllString(text, r.to))
		}
	}
	return ""
}

// habit returns how to write what was probably meant, or "".
func habit(before, behind string) string {
	if whole := rewritten(before + behind); whole != "" {
		return whole
	}
	if sign, _ := utf8.DecodeRuneInString(behind); signs[sign] != "" {
		return signs[sign]
	}
	if m := percentage.FindStringSubmatch(before); m != nil {
		return share(m[1])
	}
	for _, h := range habits() {
		if h.before.MatchString(before) && h.behind.MatchString(behind) {
			return h.help
		}
	}
	return ""
}

var percentage = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)\s*%\s*$`)

// share says which share a percentage is.
func share(percent string) string {
	v, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		return shareHelp
	}
	return fmt.Sprintf("rates are shares from 0 to 1: %s %% is %g", percent, v/100)
}

// A number with letters behind it, and a metric with its unit.
var (
	measured = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]+)`)
	timed    = regexp.MustCompile(`\b\w+_(ms|s)\b`)
)

// inMS says how many milliseconds a unit of time has, by the names that people give it.
var inMS = map[string]float64{
	"us": 0.001, "µs": 0.001, "ms": 1, "msec": 1, "millis": 1, "milliseconds": 1, "s": 1000, "sec": 1000, "secs": 1000,
	"second": 1000, "seconds": 1000, "m": 60_000, "min": 60_000, "mins": 60_000, "minute": 60_000, "minutes": 60_000,
}

// multiples are letters that stand for many, by their small form.
var multiples = map[string]float64{"k": 1e3, "m": 1e6}

// quantity says how to write a number with a unit, given a place in it or just behind it: as a plain number in the unit
// of the metric that the expression names. It is empty if there is no such number.
func quantity(text []rune, at int) string {
	whole := string(text)
	at = len(string(text[:min(at, len(text))]))
	for _, m := range measured.FindAllStringSubmatchIndex(whole, -1) {
		if at <= m[0] || at > m[1] {
			continue
		}
		v, err := strconv.ParseFloat(whole[m[2]:m[3]], 64)
		unit := strings.ToLower(whole[m[4]:m[5]])
		if err != nil {
			return unitHelp
		}
		metric := timed.FindStringSubmatch(whole)
		switch {
		case metric != nil && inMS[unit] > 0:
			v *= inMS[unit]
			if metric[1] == "s" {
				v /= 1000
			}
			return fmt.Sprintf("write %s, without a unit: %s counts in %s", plainly(v), metric[0], metric[1])
		case metric == nil && multiples[unit] > 0:
			return "write " + plainly(v*multiples[unit])
		}
		return unitHelp
	}
	return ""
}

// plainly writes a number in plain digits.
func plainly(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// closing are the marks that close what another opens.
var closing = map[rune]rune{'(': ')', '[': ']', '{': '}'}

// unclosed returns the last quote or bracket that nothing closes, and its place. The mark is 0 if all are closed.
func unclosed(text []rune) (mark rune, at int) {
	var open []int
	quote := -1
	for i := 0; i < len(text); i++ {
		r := text[i]
		switch {
		case quote >= 0 && r == '\\' && text[quote] != '`':
			i++
		case quote >= 0 && r == text[quote]:
			quote = -1
		case quote >= 0:
		case strings.ContainsRune("\"'`", r):
			quote = i
		case closing[r] != 0:
			open = append(open, i)
		case len(open) > 0 && r == closing[text[open[len(open)-1]]]:
			open = open[:len(open)-1]
		}
	}
	switch {
	case quote >= 0:
		return text[quote], quote
	case len(open) > 0:
		return text[open[len(open)-1]], open[len(open)-1]
	}
	return 0, 0
}

// quoteHelp says how to close a text, and what to do with a quote within one.
func quoteHelp(mark rune) string {
	other := '"'
	if mark == '"' {
		other = '\''
	}
	return fmt.Sprintf("write the closing %c behind the text; a text with a %c in it stands in %c %c", mark, mark, other,
		other)
}
