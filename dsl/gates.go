package dsl

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// Gates is a gates file: what must not become worse from one run to another.
type Gates struct {
	Pos        syntax.Pos
	File       string   // pattern of the baseline's path, from the folder of the gates file
	MustMatch  []string // nil: the file does not say
	OnMismatch string   // inconclusive | fail | warn
	MaxAge     time.Duration
	NoiseTimes float64 // the margin for worse and better is at least this multiple of the A/A noise; 0: any
	// assumed difference between two runs of the same thing, as a share; nil: the file does not say
	BetweenRuns *float64
	Compare     []*GateRule
	Assert      []*expr.Assertion // of scope GatesScope
}

// GateRule is one gate. A nil margin is not set.
type GateRule struct {
	Pos         syntax.Pos // of the metric
	Name        string
	Metric      string
	Stat        string // p50 | mean | p90 | p95 | max
	Better      int    // +1: higher, -1: lower
	MaxWorse    *float64
	MaxWorseAbs *float64
	MinDelta    float64
	Test        string // mann_whitney | paired; empty: chosen by the samples
	Alpha       float64
	MinSamples  int
	Severity    string
	OnUnknown   string
}

// Defaults of a gates file. The schema states the same values.
const (
	DefaultBaseline   = "baselines/${scenario.name}/${cell}.json"
	defaultGateAlpha  = 0.01
	defaultGateN      = 10
	defaultNoiseTimes = 2
)

// baselineNames are the placeholders in the path of a baseline.
var baselineNames = []string{"scenario.name", "server.name", "model.name", "cell"}

var pathPlaceholder = regexp.MustCompile(`\$\{([^}]*)\}`)

// LoadGates reads a gates file. Metrics are checked against the vocabulary; which steps there are only a run can
// tell.
func LoadGates(f File, v expr.Vocabulary) (*Gates, syntax.Diagnostics) {
	t, diags := readFile(f)
	if t == nil {
		return nil, diags.Sorted()
	}
	if t.kind != "gates" {
		d := decoder{src: t.src}
		d.errorf(t.root.Get("schema"), "links/kind", "", "this is a %s file, and a gates file is expected", t.kind)
		return nil, append(diags, d.diags...).Sorted()
	}
	g, found := decodeGates(t, expr.NewNames(v))
	return g, append(diags, found...).Sorted()
}

func decodeGates(t *tree, names *expr.Names) (*Gates, syntax.Diagnostics) {
	d := &decoder{src: t.src, broken: t.broken, declared: map[string]map[string]*syntax.Node{}}
	d.get(t.root, "schema")
	base := d.get(t.root, "baseline")
	noise := d.get(t.root, "noise")
	g := &Gates{
		Pos:        d.src.Pos(t.root),
		File:       d.strOr(base, "file", DefaultBaseline),
		MustMatch:  d.strs(base, "must_match"),
		OnMismatch: d.strOr(base, "on_mismatch", "inconclusive"),
		MaxAge:     d.positive(base, "max_age", d.durationUpTo(base, "max_age", 0, 100*365*24*time.Hour), 0),
	}
	if noise != nil {
		d.get(noise, "from")
		g.NoiseTimes = defaultNoiseTimes
		if f, ok := asFloat(d.get(noise, "require_threshold_above")); ok {
			g.NoiseTimes = f
		}
	}
	if d.get(t.root, "between_runs") != nil {
		share := d.percent(t.root, "between_runs", 0)
		g.BetweenRuns = &share
	}
	d.baselinePath(d.get(base, "file"), g.File)
	rules := d.list(t.root, "compare")
	for _, n := range rules {
		g.Compare = append(g.Compare, d.gate(n, names))
	}
	for i, n := range rules {
		d.enough(n, g.Compare[i], g.family())
	}
	g.Assert = d.expressionGates(t, names)
	if len(g.Compare)+len(g.Assert) == 0 && !d.broken {
		d.errorf(t.root.Get("schema"), "links/gate", "add compare: or assert:", "the file has no gate")
	}
	return g, d.diags
}

// expressionGates decodes the gates that are expressions. All gates share one set of names, because a report
// identifies a gate by its name.
func (d *decoder) expressionGates(t *tree, names *expr.Names) []*expr.Assertion {
	d.declared["assertion"] = d.declared["gate"]
	out, checks := d.asserts(t.root, "assert", figure.GatesScope, "", -1, -1)
	for _, p := range checks {
		env := expr.Env{Scope: figure.GatesScope, AllowSmallN: p.allowSmallN, Node: p.node}
		d.diags = append(d.diags, p.assertion.Compile(names, env)...)
	}
	return out
}

func (d *decoder) gate(n *syntax.Node, names *expr.Names) *GateRule {
	r := &GateRule{
		Name:       d.declare("gate", n, "name"),
		Metric:     d.str(n, "metric"),
		Stat:       d.strOr(n, "stat", "p50"),
		Test:       d.str(n, "test"),
		Alpha:      defaultGateAlpha,
		MinSamples: d.integer(n, "min_samples", defaultGateN),
		Severity:   d.strOr(n, "severity", "fail"),
		OnUnknown:  d.strOr(n, "on_unknown", "inconclusive"),
	}
	metric := d.get(n, "metric")
	r.Pos = d.src.Pos(firstOf(metric, n))
	if f, ok := asFloat(d.get(n, "alpha")); ok {
		r.Alpha = f
	}
	if f, ok := asFloat(d.get(n, "min_delta")); ok {
		r.MinDelta = f
	}
	if d.get(n, "max_worse") != nil {
		share := d.percent(n, "max_worse", 0)
		r.MaxWorse = &share
	}
	if f, ok := asFloat(d.get(n, "max_worse_abs")); ok {
		r.MaxWorseAbs = &f
	}
	if r.MaxWorse == nil && r.MaxWorseAbs == nil && !d.broken {
		d.errorf(firstKey(n), "links/gate", "add max_worse, such as 5%, or max_worse_abs in the metric's unit",
			"gate %q does not say how much worse is too much", r.Name)
	}
	r.Better = map[string]int{"lower": -1, "higher": 1}[d.str(n, "better")]
	if name := d.gateMetric(metric, names); name != nil && r.Better == 0 {
		if r.Better = name.Better; r.Better == 0 {
			d.errorf(metric, "links/gate", "add better: lower, or better: higher", "%s does not say which direction is better",
				r.Metric)
		}
	}
	return r
}

// familyAlpha is the error probability of all gates of one comparison together; see compare.FamilyAlpha.
const familyAlpha = 0.05

// family is the number of gates that share it: those that can fail the comparison.
func (g *Gates) family() int {
	n := 0
	for _, r := range g.Compare {
		if r.Severity == "fail" {
			n++
		}
	}
	return n
}

// enough checks that min_samples values can reach the gate's alpha, and the gate's share of the common error
// probability if it can fail the comparison.
func (d *decoder) enough(n *syntax.Node, r *GateRule, family int) {
	at := firstOf(d.get(n, "min_samples"), d.get(n, "alpha"), firstKey(n))
	if need := samplesFor(r.Alpha, r.Test); r.MinSamples < need {
		d.errorf(at, "links/gate", fmt.Sprintf("write min_samples: %d or more, or a larger alpha", need),
			"with %d values a side no difference, however large, reaches alpha %g", r.MinSamples, r.Alpha)
		return
	}
	if need := samplesFor(familyAlpha/float64(max(family, 1)), r.Test); r.Severity == "fail" && r.MinSamples < need {
		d.errorf(at, "links/gate", fmt.Sprintf("write min_samples: %d or more, or fewer gates", need),
			"with %d values a side no difference, however large, reaches the share of %.2g that each of %d gates has of %g",
			r.MinSamples, familyAlpha/float64(family), family, familyAlpha)
	}
}

// samplesFor is the smallest sample with which a test can reach alpha. Two of the C(2n,n) orders of two samples of n
// are the most extreme, and two of the 2^n signs of n pairs.
func samplesFor(alpha float64, test string) int {
	for n := 1; ; n++ {
		a, _ := math.Lgamma(float64(2*n + 1))
		b, _ := math.Lgamma(float64(n + 1))
		p := 2 / math.Exp(a-2*b)
		if test == "paired" {
			p = 2 / math.Pow(2, float64(n))
		}
		if p <= alpha*(1+1e-9) {
			return n
		}
	}
}

// gateMetric returns the metric of a gate's path, or reports why there is none.
func (d *decoder) gateMetric(n *syntax.Node, names *expr.Names) *expr.Name {
	if n == nil || n.Kind != syntax.StringKind {
		return nil
	}
	name, message, help := names.Sample(n.Text())
	if name == nil {
		d.errorf(n, "links/metric", help, "%s", message)
	}
	return name
}

// baselinePath checks the pattern of the baseline's path: it stays in the folder, and it uses only placeholders of a
// cell.
func (d *decoder) baselinePath(n *syntax.Node, pattern string) {
	for _, m := range pathPlaceholder.FindAllStringSubmatch(pattern, -1) {
		if !slices.Contains(baselineNames, m[1]) {
			help := syntax.Suggest(m[1], baselineNames)
			if help == "" {
				help = "it may hold ${" + strings.Join(baselineNames, "}, ${") + "}"
			}
			d.errorf(n, "links/reference", help, "%s names nothing here", m[0])
		}
	}
	for part := range strings.SplitSeq(pattern, "/") {
		if part != ".." && part != "." { // reported below, and harmless here
			d.nameOfFiles(n, "a part of a baseline's path", part)
		}
	}
	if path.IsAbs(pattern) || slices.Contains(strings.Split(pattern, "/"), "..") || strings.Contains(pattern, `\`) {
		d.errorf(n, "links/file", "write a path from the folder of this file, with /",
			"a baseline lies in the folder of its gates file or below")
	}
}

// Baseline returns the path of a cell's baseline. Each value becomes one part of a path: characters that are special
// in paths become dashes.
func (g *Gates) Baseline(values map[string]string) string {
	file := pathPlaceholder.ReplaceAllStringFunc(g.File, func(m string) string {
		return cmp.Or(unsafeInName.ReplaceAllString(strings.TrimLeft(values[m[2:len(m)-1]], "."), "-"), "-")
	})
	parts := strings.Split(file, "/")
	for i, part := range parts {
		if Reserved(part) {
			part = strings.TrimRight(part, ".")
			if devices.MatchString(part) {
				part = "_" + part
			}
			parts[i] = cmp.Or(part, "-")
		}
	}
	return strings.Join(parts, "/")
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._=-]+`)
