package syntax

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// The forms of plain scalars. Anything that YAML 1.1 or 1.2 reads as a number and that is not a JSON number is
// ambiguous: 010 is 8 or 10, 1_000 is a number or a text.
var (
	jsonNumber      = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	ambiguousNumber = regexp.MustCompile(`^[-+]?(0[xXoObB][0-9a-fA-F_]+` + // in another base
		`|[0-9][0-9_]*(\.[0-9_]*)?([eE][+-]?[0-9]+)?` +
		`|\.[0-9][0-9_]*([eE][+-]?[0-9]+)?` +
		`|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`) // in base sixty
	notANumber = regexp.MustCompile(`^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

// scalar fills a node from a token that is not a block scalar.
func (c *converter) scalar(out *Node, t *token.Token, text string) {
	if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
		out.Kind, out.style, out.Scalar = StringKind, quoted, text
		out.End = c.src.quotedEnd(out.Line, out.Col)
		return
	}
	switch t.Type {
	case token.IntegerType, token.FloatType, token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType,
		token.BoolType, token.NullType, token.ImplicitNullType, token.InfinityType, token.NanType:
		text = t.Value
	}
	if c.src.has(out.Line, out.Col, []rune(text)) {
		out.End = out.Col + utf8.RuneCountInString(text)
	}
	switch {
	case t.Type == token.ImplicitNullType:
		out.End = 0
	case text == "", text == "~", text == "null", text == "Null", text == "NULL":
	case text == "true", text == "True", text == "TRUE":
		out.Kind, out.Scalar = BoolKind, true
	case text == "false", text == "False", text == "FALSE":
		out.Kind, out.Scalar = BoolKind, false
	case notANumber.MatchString(text):
		c.fail(t, "yaml/number", "", "%s is not a number that can be used here", text)
	case jsonNumber.MatchString(text):
		c.number(out, t, text)
	case ambiguousNumber.MatchString(text):
		c.fail(t, "yaml/number", "quote it if it is text; else write it in plain decimal digits", "ambiguous number %s", text)
	default:
		out.Kind, out.Scalar = StringKind, text
	}
}

func (c *converter) number(out *Node, t *token.Token, text string) {
	if i, err := strconv.Atoi(text); err == nil {
		out.Kind, out.Scalar = IntKind, i
		return
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || !strings.ContainsAny(text, ".eE") {
		c.fail(t, "yaml/number", "quote it if it is text", "number %s is too large", text)
		return
	}
	out.Kind, out.Scalar = FloatKind, f
}
