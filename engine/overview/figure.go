package overview

import (
	"math"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Figure is one figure of every cell.
type Figure struct {
	Path   string // in expressions, such as phases.with_rag.ttft_ms
	Head   string
	Phase  string // empty: there is one phase, or the figure is of the whole run
	Stat   string // empty: the figure has one value
	Def    *metrics.Def
	Values []Value // of each cell
	Best   *Best   // nil: neither direction is better, or fewer than two cells can be ranked
}

// Name is the figure as expressions name it.
func (f Figure) Name() string {
	if f.Stat == "" {
		return f.Path
	}
	return f.Path + "." + f.Stat
}

// Value is the figure of one cell.
type Value struct {
	metrics.Value
	Within  *event.Range // the 95 % confidence interval from its repeats; nil: they are too few for one
	Repeats int

	sample metrics.Sample
}

// Each are the values of the repeats that are known exactly, and the number of the others.
func (v Value) Each() (values []float64, hidden int) { return v.sample.Values, len(v.sample.Hidden) }

// Best is the cell with the best value, among those that were played to their end without a failed request and of which
// the value is known exactly.
type Best struct {
	Cell    int
	Ranked  int   // cells that can be ranked
	Alike   []int // of these, those that cannot be told from it with 95 % confidence, for all comparisons together
	Beyond  []int // cells whose value is an interval that reaches beyond it: they may be better
	Certain bool  // every other cell is told from it, and none may be better
}

// Told says whether at least one cell is told from the best one.
func (f Figure) Told() bool { return f.Best != nil && len(f.Best.Alike) < f.Best.Ranked-1 }

// measure finds the value of every cell.
func (f *Figure) measure(cells []*metrics.Cell) {
	for _, c := range cells {
		f.Values = append(f.Values, f.valueOf(c))
	}
}

func (f *Figure) valueOf(c *metrics.Cell) Value {
	if f.Stat == "" {
		return Value{Value: c.Observed(f.Path)}
	}
	s := c.Sample(f.Path)
	out := Value{Value: s.Stat(f.Stat), Repeats: s.Count(), sample: s}
	if !out.Known() || len(s.Hidden) > 0 || len(s.Values) == 0 {
		return out
	}
	var low, high float64
	switch confidence := stats.Confidence(len(c.Looks())); f.Stat {
	case "mean":
		_, low, high = stats.MeanInterval(s.Values, confidence)
	default:
		_, low, high = stats.MedianInterval(s.Values, confidence)
	}
	if math.IsInf(low, 0) || math.IsInf(high, 0) {
		return out
	}
	if !f.Def.Signed {
		low = max(low, 0)
	}
	if f.Def.Rate {
		high = min(high, 1)
	}
	out.Within = &event.Range{Low: low, High: high}
	return out
}

// ranked says whether a cell takes part in a ranking. Requests that failed have no times, so that those of the others
// alone may look better than they are.
func (f *Figure) ranked(c *metrics.Cell, v Value) bool {
	_, exact := v.Number()
	return exact && c.Complete() &&
		(f.Def.Name == "error_rate" || metrics.CountFailed(c.Measured(metrics.Group{})) == 0)
}

func (f *Figure) findBest(cells []*metrics.Cell, shown func(metrics.Value) string) {
	if f.Def.Better == 0 {
		return
	}
	better := float64(f.Def.Better)
	var all []int
	best := -1
	top := 0.0
	for i, c := range cells {
		if !f.ranked(c, f.Values[i]) {
			continue
		}
		all = append(all, i)
		if v, _ := f.Values[i].Number(); best < 0 || better*v > better*top {
			best, top = i, v
		}
	}
	if len(all) < 2 {
		return
	}
	b := Best{Cell: best, Ranked: len(all)}
	for _, i := range all {
		same := shown(f.Values[i].Value) == shown(f.Values[best].Value) // a difference that nobody sees
		if i != best && (same || !f.apart(cells, best, i, len(all)*(len(all)-1)/2)) {
			b.Alike = append(b.Alike, i)
		}
	}
	for i, v := range f.Values {
		if r := v.Range; r != nil && max(better*r.Low, better*r.High) > better*top {
			b.Beyond = append(b.Beyond, i)
		}
	}
	b.Certain = len(b.Alike)+len(b.Beyond) == 0
	f.Best = &b
}

// apart says whether a cell is certainly better than another one. The error probability is shared by the comparisons
// of all pairs of cells (Bonferroni): which of them are made depends on the values, since one side is the best.
func (f *Figure) apart(cells []*metrics.Cell, best, other, comparisons int) bool {
	look := max(len(cells[best].Looks()), len(cells[other].Looks()))
	confidence := 1 - (1-stats.Confidence(look))/float64(comparisons)
	a, b := f.Values[other].sample, f.Values[best].sample
	if len(a.Hidden)+len(b.Hidden) > 0 {
		return false // the other repeats alone may lie on either side
	}
	low, high := math.Inf(-1), math.Inf(1)
	if inTurn(cells[best], cells[other]) {
		low, high = f.pairedInterval(a, b, confidence)
	} else if len(a.Values) > 0 && len(b.Values) > 0 {
		low, high = f.interval(a.Values, b.Values, confidence)
	}
	if f.Def.Better > 0 {
		return low > 0
	}
	return high < 0
}

// pairedInterval is where b minus a lies, repeat by repeat.
func (f *Figure) pairedInterval(a, b metrics.Sample, confidence float64) (low, high float64) {
	from, to := metrics.Pairs(a, b)
	if len(from) == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	if f.Stat == "mean" {
		for i := range to {
			to[i] -= from[i]
		}
		_, low, high = stats.MeanInterval(to, confidence)
		return low, high
	}
	s, _ := stats.Paired(from, to, confidence) // it fails without values only
	return s.Lo, s.Hi
}

// interval is where b minus a lies, as two samples.
func (f *Figure) interval(a, b []float64, confidence float64) (low, high float64) {
	if f.Stat == "mean" {
		_, low, high = stats.MeansInterval(a, b, confidence)
		return low, high
	}
	s, _ := stats.Unpaired(a, b, confidence) // it fails without values only
	return s.Lo, s.Hi
}

// inTurn says whether the repeats of two cells were played in turn: neither had ended when the other began.
func inTurn(a, b *metrics.Cell) bool {
	from, to, _ := a.Window()
	first, last, _ := b.Window()
	return from < last && first < to
}
