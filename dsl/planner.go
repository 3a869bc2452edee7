package dsl

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// estimateTolerance is the tolerance of a count from characters: a cell is skipped, and a threshold rejected, only if
// it fails by more.
const estimateTolerance = 0.05

type count struct {
	tokens int
	exact  bool
}

// count returns the tokens of a text.
func (p *planner) count(m *Model, text string) count {
	if p.opt.Count == nil {
		return count{tokens: (utf8.RuneCountInString(text) + 3) / 4} // about four characters of English are one token
	}
	tokens, exact := p.opt.Count(m, text)
	return count{tokens, exact}
}

// render returns the prompt of messages. Without a template it puts marks around role and content, which cost about as
// many tokens as a real template.
func (p *planner) render(c *Cell, api wire.API, messages []Message, tools []wire.Tool) (prompt string, exact bool,
	err error) {
	if p.opt.Render != nil {
		server := c.Server
		if server != nil && api != "" {
			other := *server
			other.API = api
			server = &other
		}
		if prompt, exact, err = p.opt.Render(server, c.Model, messages, tools); prompt != "" || err != nil {
			return prompt, exact, err
		}
	}
	const ask = "\x01assistant\x02\n"
	size := len(ask)
	for _, msg := range messages {
		size += len("\x01\x02\n\x03\n") + len(msg.Role) + len(msg.Content)
	}
	var b strings.Builder
	b.Grow(size)
	if len(tools) > 0 {
		b.WriteString(compact(tools))
	}
	for _, msg := range messages {
		for _, s := range []string{"\x01", msg.Role, "\x02\n", msg.Text(), "\x03\n"} {
			b.WriteString(s)
		}
	}
	b.WriteString(ask)
	return b.String(), false, nil
}

// synthetic returns the text of a synthetic document, or of a reply that is not known yet.
func (p *planner) synthetic(m *Model, seed int64, tokens int) string {
	key := syntheticKey{m, seed, tokens}
	text, ok := p.texts[key]
	if !ok {
		text = syntheticText(seed, tokens, func(text string) int { return p.count(m, text).tokens })
		p.texts[key] = text
	}
	return text
}

// syntheticKey identifies a synthetic text.
type syntheticKey struct {
	model  *Model
	seed   int64
	tokens int
}

// once adds a finding unless another cell gave one with the same code at the same place.
func (p *planner) once(d syntax.Diagnostic) {
	if !slices.ContainsFunc(p.diags, func(o syntax.Diagnostic) bool { return o.Pos == d.Pos && o.Code == d.Code }) {
		p.diags = append(p.diags, d)
	}
}

// thousands formats a count with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// planner plans one scenario.
type planner struct {
	file  string
	lib   *Library
	names *expr.Names
	opt   Options
	diags syntax.Diagnostics
	plan  *Plan

	selection *selection // over all files of a command; nil: this file alone is planned

	scenarios []*Scenario // of all cells
	axes      []expr.Axis // of the file

	texts map[syntheticKey]string
	cuts  map[cutKey][]span // of the files of corpora
}

// decoded is a decoded cell before it is checked as a whole.
type decoded struct {
	values   combination
	chosen   []Label // variants of the server
	scenario *Scenario
}

func (p *planner) fail(code, help, format string, args ...any) {
	p.report(syntax.Error, code, help, fmt.Sprintf(format, args...))
}

func (p *planner) warn(code, help, format string, args ...any) {
	p.report(syntax.Warning, code, help, fmt.Sprintf(format, args...))
}

// report adds a finding about the run as a whole.
func (p *planner) report(severity syntax.Severity, code, help, message string) {
	p.diags = append(p.diags, syntax.Diagnostic{Pos: syntax.Pos{File: p.file}, Severity: severity, Code: code,
		Message: message, Help: help})
	p.diags = p.diags.Sorted()
}
