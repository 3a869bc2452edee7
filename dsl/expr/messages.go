package expr

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/file"
)

// syntax turns the parser's message into one for users.
func (c *compilation) syntax(err error) {
	var e *file.Error
	if !errors.As(err, &e) {
		c.fail(0, 0, "expr/syntax", "", "%s", err)
		return
	}
	from, to, message := e.From, max(e.To, e.From), e.Message
	text := []rune(c.text)
	help := habit(string(text[:min(from, len(text))]), string(text[min(from, len(text)):]))
	switch {
	case strings.Contains(message, "token EOF") || strings.Contains(message, "unexpected end"):
		message = "the expression ends too early"
		help = cmp.Or(habit(c.text, ""), `an unquoted " #" starts a YAML comment: quote the whole expression`)
		from, to = max(0, len(text)-1), len(text) // the caret is below the last character of the text
	case strings.Contains(message, "maximum allowed nodes"):
		c.fail(0, 0, "expr/size", "split it into several assertions",
			"the expression has more than %d parts", maxExprNodes)
		return
	case strings.HasPrefix(message, "bad number syntax"):
		message = "letters follow a number"
		help = unitHelp
	case strings.Contains(message, "coalesce"):
		message = "?? cannot stand next to another operator without parentheses"
		help = "write (x ?? default) > 0.5"
	case strings.HasPrefix(message, "unexpected token "):
		message = "unexpected " + tokenName(strings.TrimPrefix(message, "unexpected token "))
	}
	c.fail(from, to, "expr/syntax", help, "%s", message)
}

const unitHelp = "write the number alone: the unit is part of the metric's name, as in ttft_ms"

// habits are forms of other languages and of everyday writing. They are found by the text before and after the
// position of the parser's error.
var habits = []struct {
	before, behind *regexp.Regexp
	help           string
}{
	{regexp.MustCompile(`[0-9]\s*%\s*$`), regexp.MustCompile(``), "rates are shares from 0 to 1: 50 % is 0.5"},
	{regexp.MustCompile(`[0-9]\s+$`), regexp.MustCompile(`^[A-Za-z]`), unitHelp},
	{regexp.MustCompile(``), regexp.MustCompile(`^(AND|OR|NOT|IN)\b`),
		"operators are written in small letters: and, or, not, in"},
	{regexp.MustCompile(``), regexp.MustCompile(`^(contains|matches|startsWith|endsWith)\b`),
		`write it between two texts: turn.text contains "250"`},
	{regexp.MustCompile(`\S\s+(not\s+)?$`),
		regexp.MustCompile(`^(?i)(includes?|has|have|contain|containing|like|holds?)\b`),
		`write contains: turn.text contains "250"`},
	{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(is|equals?|eq)\b`), "compare with =="},
	{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(below|under|less|lt)\b`), "compare with <"},
	{regexp.MustCompile(`\S\s+$`), regexp.MustCompile(`^(?i)(above|over|more|greater|gt)\b`), "compare with >"},
	{regexp.MustCompile(``), regexp.MustCompile(`^=~`), `write matches: turn.text matches "^[0-9]+$"`},
	{regexp.MustCompile(``), regexp.MustCompile(`^=>`), "write >="},
	{regexp.MustCompile(``), regexp.MustCompile(`^=<`), "write <="},
	{regexp.MustCompile(``), regexp.MustCompile(`^=`), "compare with =="},
	{regexp.MustCompile(``), regexp.MustCompile(`^&`), "write and, or &&"},
	{regexp.MustCompile(`\$$`), regexp.MustCompile(`^\{`),
		"an expression names vars.NAME and matrix.AXIS directly, without ${}"},
	{regexp.MustCompile(``), regexp.MustCompile(`^[“”„‘’]`), `write straight quotes: " or '`},
}

// rewritings are whole expressions in the forms of other languages, and how they are written here.
var rewritings = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`^\s*("[^"]*"|'[^']*'|[\w.]+)\s+in\s+([\w.]+)\s*$`), "$2 contains $1"},
	{regexp.MustCompile(`^\s*([\w.]+)\.(contains|matches|startsWith|endsWith)\(([^()]+)\)\s*$`), "$1 $2 $3"},
	{regexp.MustCompile(`^\s*(contains|matches|startsWith|endsWith)\(\s*([\w.]+)\s*,\s*([^()]+)\)\s*$`), "$2 $1 $3"},
	{regexp.MustCompile(`^\s*([\w.]+)\s+(?:includes?|has|like|contain)\s+("[^"]*"|'[^']*')\s*$`), "$1 contains $2"},
	{regexp.MustCompile(`^\s*([\w.]+)\s*=~\s*/([^/"]*)/\s*$`), `$1 matches "$2"`},
}

// rewritten says how a whole expression is written here, or "".
func rewritten(text string) string {
	for _, r := range rewritings {
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
	for _, h := range habits {
		if h.before.MatchString(before) && h.behind.MatchString(behind) {
			return h.help
		}
	}
	return ""
}

// tokenName turns expr's `Operator("<")` into `"<"`.
func tokenName(token string) string {
	if i := strings.IndexByte(token, '('); i > 0 && strings.HasSuffix(token, ")") {
		return token[i+1 : len(token)-1]
	}
	return token
}

// mistyped turns the checker's message into one for users.
func (c *compilation) mistyped(err error) {
	var e *file.Error
	if !errors.As(err, &e) {
		c.fail(0, 0, "expr/type", "", "%s", plainTypes(err.Error()))
		return
	}
	message := e.Message
	if rest, ok := strings.CutPrefix(message, "invalid operation: "); ok {
		message = rest
	}
	message = plainTypes(message)
	help := ""
	if m := mismatched.FindStringSubmatch(message); m != nil {
		message = fmt.Sprintf("%s cannot stand between %s and %s", m[1], m[2], m[3])
		help = mixedHelp(m[1], m[2], m[3])
		if m[1] == "in" && m[2] == "text" && m[3] == "text" {
			help = cmp.Or(rewritten(c.text), help)
		}
	}
	c.fail(e.From, e.To, "expr/type", help, "%s", message)
}

// mismatched matches expr's message about operands of the wrong type.
var mismatched = regexp.MustCompile(`^(\S+) \(mismatched types (.+) and (.+)\)$`)

// mixedHelp says how to write an operator between two types that do not fit.
func mixedHelp(op, left, right string) string {
	has := func(word string) bool { return left == word || right == word }
	number := strings.HasSuffix(left, "number") || strings.HasSuffix(right, "number")
	switch {
	case op == "in" && left == "text" && right == "text":
		return `write it the other way round: turn.text contains "250"`
	case has("text") && number:
		return `write a text in quotes and a number without; int(x) and float(x) read a number from a text`
	case has("true or false"):
		return "it is a condition already: write turn.ok, or not turn.ok"
	}
	return ""
}

// plainTypes replaces Go's type names with words.
func plainTypes(s string) string {
	return strings.NewReplacer(
		"map[string]interface {}", "a group",
		"[]interface {}", "a list", "[]string", "a list of texts",
		"float64", "a number", "string", "text", "bool", "true or false", "int", "a whole number",
	).Replace(s)
}

// typeName words a type.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float64:
		return "a number"
	case reflect.Int:
		return "a whole number"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	}
	return "of no known type"
}
