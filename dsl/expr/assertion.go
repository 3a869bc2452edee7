package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// Assertion is one condition and the meaning of its outcome. Its expression is compiled; see Eval.
type Assertion struct {
	Pos         syntax.Pos // of the expression
	Name        string
	That        string
	OnUnknown   string // inconclusive | fail | skip | warn
	Severity    string // fail | warn | count
	MinPassRate float64
	Message     string
	Abort       bool
	Scope       figure.Scope
	// overall scope: with which the differences must clear their bounds; 0: values are compared as they are
	Confidence float64

	program *program
	source  *syntax.Source // the file, for excerpts
}

// CountOnly is the severity of an assertion whose passes are only counted.
const CountOnly = "count"

// Named reports whether the author has named the assertion. Any other is called by its place, such as
// step.q1.assert[2].
func (a *Assertion) Named() bool { return !strings.HasSuffix(a.Name, "]") }

// Compile compiles the expression of the assertion with the names of its scope. Findings have places in the file.
func (a *Assertion) Compile(names *Names, env Env) syntax.Diagnostics {
	env.Confidence = a.Confidence
	program, problems := compileExpr(a.That, &scope{names: names, env: env}, a.Severity == "fail")
	a.program, a.source = program, env.Node.Src
	var out syntax.Diagnostics
	// The decoder trims That; the file has the blanks.
	shift := len([]rune(env.Node.Text())) - len([]rune(strings.TrimLeft(env.Node.Text(), " \t\n")))
	for _, g := range problems {
		out = append(out, a.diagnose(env.Node, g, shift))
	}
	return out
}

// diagnose places a problem of an expression in the file.
func (a *Assertion) diagnose(n *syntax.Node, g problem, shift int) syntax.Diagnostic {
	out := syntax.Diagnostic{Severity: g.severity, Code: g.code, Message: g.message, Help: g.help}
	out.Pos = a.source.At(n, g.from+shift)
	out.Source = a.source.Line(out.Pos.Line)
	switch end := a.source.At(n, g.to+shift); {
	case g.to > g.from && end.Line == out.Pos.Line && end.Col > out.Pos.Col:
		out.EndCol = end.Col
	case g.from == 0 && out.Pos == a.source.Pos(n):
		out.EndCol = n.End
	}
	return out
}

// DiagnoseAt places a finding at a part of the expression.
func (a *Assertion) DiagnoseAt(from, to int) syntax.Diagnostic {
	d := syntax.Diagnostic{Pos: a.Pos}
	if line, number, shift, ok := a.sourceLine(); ok {
		d.Pos = syntax.Pos{File: a.Pos.File, Line: number, Col: shift + from + 1}
		d.EndCol = shift + to + 1
		d.Source = line
	} else if a.source != nil {
		d.Source = a.source.Line(a.Pos.Line)
	}
	return d
}

// Eval judges the assertion with the values that look returns; each path is requested once. It keeps no state: it may
// be called from several goroutines.
//
// It passes or fails if it does so for all possible values of the unknown ones: x || true passes and x && false
// fails, and a number from 0.3 to 0.5 is above 0.2. Otherwise it is Unsupported if every value that leaves it open is
// unsupported, else Unknown. A division by zero or an expression that exceeds its limits is unknown as well, never a
// pass.
func (a *Assertion) Eval(look Lookup) Result {
	if a.program == nil {
		return Result{Verdict: Unknown, Why: "the expression was not compiled"}
	}
	var r Result
	values := make([]Value, len(a.program.leaves))
	for i, l := range a.program.leaves {
		if l.constant != nil {
			values[i] = Value{V: l.constant, Source: l.source}
		} else {
			values[i] = look(l.path).as(l.kind)
			values[i].Unit = cmp.Or(values[i].Unit, l.unit)
		}
		r.Operands = append(r.Operands, Operand{l.path, values[i]})
	}
	r.Verdict, r.Why = newRuntime(a.program, values).judge()
	return r
}

// Paths lists every path that the assertion may read, in order of appearance.
func (a *Assertion) Paths() []string {
	if a.program == nil {
		return nil
	}
	paths := make([]string, len(a.program.leaves))
	for i, l := range a.program.leaves {
		paths[i] = l.path
	}
	return paths
}

// SmallN says whether the author accepts percentiles of fewer values than they need.
func (a *Assertion) SmallN() bool { return a.program != nil && a.program.smallN }

// Measured lists the paths whose values only a run can provide.
func (a *Assertion) Measured() []string {
	if a.program == nil {
		return nil
	}
	var paths []string
	for _, l := range a.program.leaves {
		if l.measured {
			paths = append(paths, l.path)
		}
	}
	return paths
}

// Reported lists the paths whose values the server's replies must report.
func (a *Assertion) Reported() []string {
	if a.program == nil {
		return nil
	}
	var paths []string
	for _, l := range a.program.leaves {
		if l.measured && l.reported {
			paths = append(paths, l.path)
		}
	}
	return paths
}

// Limit is a comparison of a measured value with a constant that must hold for an assertion to pass.
type Limit struct {
	Path     string
	Metric   string // the name below its group, such as cache.hit_rate
	Op       string // < <= > >= ==
	Value    float64
	From, To int // runes of the expression
}

// Limits lists the limits of the assertion in order of appearance. Only comparisons joined by && are among them.
func (a *Assertion) Limits() []Limit {
	if a.program == nil {
		return nil
	}
	var out []Limit
	for _, b := range a.program.bounds {
		l := a.program.leaves[b.leaf]
		out = append(out, Limit{Path: l.path, Metric: l.metric, Op: b.op, Value: b.value, From: b.from, To: b.to})
	}
	return out
}

// Percentile is a percentile that the assertion names.
type Percentile struct {
	Path string

	floor    int // samples that it needs
	from, to int // runes of the expression
}

// Percentiles lists the percentiles whose sample sizes only a plan knows, unless the author accepts small samples.
func (a *Assertion) Percentiles() []Percentile {
	if a.program == nil || a.program.smallN {
		return nil
	}
	var out []Percentile
	for _, s := range a.program.spans {
		if l := a.program.leaves[s.leaf]; l.floor > 0 && l.samples == 0 {
			out = append(out, Percentile{l.path, l.floor, s.from, s.to})
		}
	}
	return out
}

// TooFew reports a percentile over fewer repeats than it needs, given the planned repeats and the turns of each;
// false if they suffice. Turns do not count, because those of one repeat share its conditions.
func (a *Assertion) TooFew(p Percentile, repeats, turns int) (syntax.Diagnostic, bool) {
	if repeats >= p.floor {
		return syntax.Diagnostic{}, false
	}
	d := a.DiagnoseAt(p.from, p.to)
	d.Severity, d.Code, d.Help = syntax.Error, "expr/samples", smallNHelp
	d.Message = fmt.Sprintf("%s needs at least %d repeats to mean something, and %d are planned (%s)", p.Path, p.floor,
		repeats, times(repeats, turns))
	return d, true
}

// Difference is one side of a comparison minus the other, as a sum of measured values, each times a factor, and of a
// constant.
type Difference struct {
	Paths   []string
	Factors []float64
	Offset  float64
}

// Differences lists the comparisons between measured values.
func (a *Assertion) Differences() []Difference {
	if a.program == nil {
		return nil
	}
	var out []Difference
	for _, d := range a.program.apart {
		out = append(out, a.program.exported(d))
	}
	return out
}

func (p *program) exported(d difference) Difference {
	out := Difference{Factors: d.factors, Offset: d.offset}
	for _, i := range d.leaves {
		out.Paths = append(out.Paths, p.leaves[i].path)
	}
	return out
}

// Claim is a comparison of sums of measured values, each times a constant: its difference Op 0.
type Claim struct {
	Difference
	Op string // < <= > >=
}

// Claims lists the comparisons that must all hold for an assertion with a confidence to pass.
func (a *Assertion) Claims() []Claim {
	if a.program == nil {
		return nil
	}
	var out []Claim
	for _, c := range a.program.claims {
		out = append(out, Claim{a.program.exported(c.difference), c.op})
	}
	return out
}

// Cells lists the cells that an assertion in overall scope names.
func (a *Assertion) Cells() []CellRef {
	if a.program == nil {
		return nil
	}
	return a.program.cells
}

// CutCell splits a path of overall scope into the cell that it names and the path of its figure; ok is false for a
// path of no cell.
func (a *Assertion) CutCell(path string) (ref CellRef, rest string, ok bool) {
	for _, ref := range a.Cells() {
		if rest, ok := strings.CutPrefix(path, ref.Prefix); ok {
			return ref, rest, true
		}
	}
	return CellRef{}, path, false
}

// Excerpt returns the source line of the assertion with the values that it reads underlined, ready to print:
//
//	77 |       that: first_turn.cache.hit_rate > vars.min_hit
//	   |             ~~~~~~~~~~~~~~~~~~~~~~~~~   ~~~~~~~~~~~~
//
// If the line does not hold the expression as it was read (a folded block, a substituted value) it shows the
// expression alone.
func (a *Assertion) Excerpt() string {
	text, number, marks := a.That, 0, a.spans(0)
	if line, at, shift, ok := a.sourceLine(); ok {
		text, number, marks = line, at, a.spans(shift)
	}
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	width := len([]rune(text))
	under := []rune(strings.Repeat(" ", width))
	for _, m := range marks {
		for i := max(0, m.from); i < min(m.to, width); i++ {
			under[i] = '~'
		}
	}
	label := ""
	if number > 0 {
		label = fmt.Sprint(number)
	}
	gutter := strings.Repeat(" ", len(label))
	if number == 0 {
		return fmt.Sprintf("%s\n%s", text, strings.TrimRight(string(under), " "))
	}
	return fmt.Sprintf("%s | %s\n%s | %s", label, text, gutter, strings.TrimRight(string(under), " "))
}

// spans returns the positions of the values on the first line of the expression, moved by shift.
func (a *Assertion) spans(shift int) []span {
	if a.program == nil {
		return nil
	}
	first := slices.Index([]rune(a.That), '\n')
	var out []span
	for _, s := range a.program.spans {
		if first < 0 || s.from < first {
			out = append(out, span{s.leaf, s.from + shift, s.to + shift})
		}
	}
	return out
}

// sourceLine returns the file's line on which the expression starts, its number, and the column
// of the expression's first rune on it, from 0. A block scalar starts below its indicator.
func (a *Assertion) sourceLine() (line string, number, shift int, ok bool) {
	if a.source == nil {
		return "", 0, 0, false
	}
	first, _, _ := strings.Cut(a.That, "\n")
	if first == "" {
		return "", 0, 0, false
	}
	for number = a.Pos.Line; number <= a.Pos.Line+1; number++ {
		line = a.source.Line(number)
		from := 0
		if number == a.Pos.Line {
			// A name before the expression may have the same text.
			from = len(string([]rune(line)[:min(max(a.Pos.Col-1, 0), len([]rune(line)))]))
		}
		if at := strings.Index(line[from:], first); at >= 0 {
			return line, number, len([]rune(line[:from+at])), true
		}
	}
	return "", 0, 0, false
}
