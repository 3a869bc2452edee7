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
	case strings.Contains(message, "literal not terminated"):
		mark, at := unclosed(text)
		c.fail(at, at+1, "expr/syntax", quoteHelp(mark), "the quote that opens here is not closed")
		return
	case strings.Contains(message, "token EOF") || strings.Contains(message, "unexpected end"):
		c.early(text)
		return
	case strings.Contains(message, "maximum allowed nodes"):
		c.fail(0, 0, "expr/size", c.shorter(),
			"the expression has more than %d parts", maxExprNodes)
		return
	case strings.HasPrefix(message, "bad number syntax"):
		message = "letters follow a number"
		help = quantity(text, from)
	case strings.Contains(message, "coalesce"):
		message = "?? cannot stand next to another operator without parentheses"
		help = "write (x ?? default) > 0.5"
	case strings.HasPrefix(message, "unexpected token "):
		token := tokenName(strings.TrimPrefix(message, "unexpected token "))
		message = "unexpected " + token
		help = cmp.Or(help, quantity(text, from))
		if mark, _ := unclosed(text[:min(from, len(text))]); mark == 0 && strings.Contains(`")" "]" "}"`, token) {
			help = "nothing that it could close is open here: leave it out"
		}
	}
	c.fail(from, to, "expr/syntax", help, "%s", message)
}

// ending matches an operator at the end of an expression.
var ending = regexp.MustCompile(`(?:[-+*/%^<>=!&|?:,]+|\b(?:and|or|not|in|contains|matches|startsWith|endsWith))\s*$`)

// early reports an expression that ends too early: at a bracket that nothing closes, at a # that begins a comment, or
// at an operator without its right side.
func (c *compilation) early(text []rune) {
	const message = "the expression ends too early"
	last := max(0, len(text)-1) // the caret is below the last character of the text
	mark, at := unclosed(text)
	help := habit(c.text, "")
	switch {
	case help != "":
		c.fail(last, len(text), "expr/syntax", help, message)
	case c.scope != nil && c.scope.env.Node.Commented():
		c.fail(last, len(text), "expr/syntax", `an unquoted " #" starts a YAML comment: quote the whole expression`, message)
	case mark != 0:
		c.fail(at, at+1, "expr/syntax", "write its "+string(closing[mark])+" too, or leave it out",
			"the %c that opens here is not closed", mark)
	default:
		if operator := ending.FindString(c.text); operator != "" {
			help = "write a value behind " + strings.TrimSpace(operator)
		}
		c.fail(last, len(text), "expr/syntax", help, message)
	}
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
		if m[1] == "in" && m[3] == "text" {
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
	case op == "in" && right == "text":
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
