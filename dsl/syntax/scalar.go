package syntax

import (
	"fmt"
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
	// Most scalars are texts, and begin as no number does.
	number := text != "" && strings.IndexByte("+-.0123456789", text[0]) >= 0
	switch {
	case t.Type == token.ImplicitNullType:
		out.End = 0
	case text == "", text == "~", text == "null", text == "Null", text == "NULL":
	case text == "true", text == "True", text == "TRUE":
		out.Kind, out.Scalar = BoolKind, true
	case text == "false", text == "False", text == "FALSE":
		out.Kind, out.Scalar = BoolKind, false
	case number && notANumber.MatchString(text):
		c.fail(t, "yaml/number", "", "%s is not a number that can be used here", text)
	case number && jsonNumber.MatchString(text):
		c.number(out, t, text)
	case number && ambiguousNumber.MatchString(text):
		help := "quote it if it is text; else write it in plain decimal digits"
		if parts := strings.Split(text, ":"); len(parts) == 2 {
			help = "quote it if it is text; a time is written with its units: " + parts[0] + "m" + parts[1] + "s"
		}
		c.fail(t, "yaml/number", help, "ambiguous number %s", text)
	default:
		out.Kind, out.Scalar = StringKind, text
		c.cutOff(out, t)
	}
}

// cutOff warns if a word such as #1 after a text is read as a comment, so that the text silently ends before it.
func (c *converter) cutOff(n *Node, t *token.Token) {
	if c.inAlias > 0 || !c.src.has(n.Line, n.End, []rune(" #")) {
		return
	}
	rest := c.src.behind(n.Line, n.End+1)
	if word, _, _ := strings.Cut(rest, " "); len(word) > 1 && word[1] != '#' {
		c.fail(t, "yaml/comment", "quote the whole text, or write a blank behind the # of a comment",
			"the text ends before %s, which is read as a comment", word)
		c.diags[len(c.diags)-1].Severity = Warning
	}
}

var comment = regexp.MustCompile(`^["']?\s*:\s+(#[^\s#]\S*)`)

// commented reports a value that is read as a comment because it begins with a #.
func (c *converter) commented(e *Entry) {
	if e.Node.Kind != NullKind || e.Node.Unread || c.inAlias > 0 {
		return
	}
	rest := c.src.behind(e.Line, e.End)
	if m := comment.FindStringSubmatchIndex(rest); m != nil {
		col := e.End + utf8.RuneCountInString(rest[:m[2]])
		word := rest[m[2]:m[3]]
		c.report(e.Line, col, col+utf8.RuneCountInString(word), "yaml/comment",
			"quote the whole text, or write a blank behind the # of a comment",
			fmt.Sprintf("%s has no value: %s is read as a comment", e.Key, word))
		e.Node.Unread = true
	}
}

// misread warns about a text that has more in it than its author meant: quotes of typography, or an entry of a list
// that is indented too far.
func (c *converter) misread(n *Node) {
	text := n.Text()
	if text == "" || n.style != plain || c.inAlias > 0 {
		return
	}
	warn := func(line, col, end int, code, help, message string) {
		c.report(line, col, end, code, help, message)
		c.diags[len(c.diags)-1].Severity = Warning
	}
	last, size := utf8.DecodeLastRuneInString(text)
	if len(text) > size && startsCurly(text) && strings.ContainsRune(curly, last) {
		warn(n.Line, n.Col, n.End, "yaml/quotes", straight+"; if the text has these quotes, write straight ones around it",
			"these quotes are part of the text")
	}
	if n.End > 0 {
		return
	}
	part := func(line int) bool { return strings.Contains(text, c.content(line)) }
	first := n.Line // or the last line of the text: the parser joins such an entry to it late
	for first > 1 && part(first) {
		first--
	}
	for line := first + 1; line <= len(c.src.lines) && part(line); line++ {
		if strings.HasPrefix(c.content(line), "- ") {
			col := strings.Index(c.src.Line(line), "-") + 1
			warn(line, col, col+1, "yaml/entry",
				fmt.Sprintf("indent it as the entry that it belongs beside, or quote the text from line %d on", first),
				fmt.Sprintf("this is read as a part of the text of line %d: it is indented too far", first))
		}
	}
}

// content returns a line without what is around its text.
func (c *converter) content(line int) string {
	text, _, _ := strings.Cut(strings.TrimSpace(c.src.Line(line)), " #")
	return text
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
