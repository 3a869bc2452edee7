package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Sample is one metric of a cell with one value for each repeat, in the order in which they were
// played. The repeat is the unit that can be compared: the turns of one repeat share its luck.
type Sample struct {
	Path    string
	Unit    string
	Better  int // +1: higher is better, -1: lower is better, 0: neither
	Values  []float64
	Repeats []int  // that the values are from
	Unknown int    // repeats in which the metric is unknown
	Why     string // why there are no values, or why some are unknown
}

// whole are metrics of a run that are one value for all its repeats.
var whole = []string{"repeats", "duration_s"}

// Sample returns the values of a path such as steps.q1.ttft_ms, phases.after_removal.tpot_ms,
// conversations.main.total_ms or run.output_tps. Several turns of a repeat are folded as the
// metric says.
func (c *Cell) Sample(path string) Sample {
	s := Sample{Path: path}
	d, g, why := samplePath(path)
	if why != "" {
		s.Why = why
		return s
	}
	s.Unit, s.Better = d.Unit, d.Better
	if len(c.Measured(g)) == 0 {
		s.Why = "the run holds nothing of " + strings.TrimSuffix(path, "."+d.Name)
		return s
	}
	var each []Value
	for _, n := range c.Repeats() {
		g.Repeat = n
		q := c.Measured(g)
		if len(q) == 0 {
			s.Unknown++
			continue
		}
		v := d.Over(c, q)
		each = append(each, v)
		if f, ok := v.Number(); ok {
			s.Values, s.Repeats = append(s.Values, f), append(s.Repeats, n)
		} else {
			s.Unknown++
		}
	}
	if s.Unknown > 0 {
		s.Why = reason(each)
	}
	return s
}

// samplePath takes a path apart, or says why it has no sample.
func samplePath(path string) (d *Def, g Group, why string) {
	root, rest, _ := strings.Cut(path, ".")
	id, name, _ := strings.Cut(rest, ".")
	switch root {
	case "steps":
		g.Step = id
	case "phases":
		g.Phase = id
	case "conversations":
		g.Conversation = id
	case "run":
		name = rest
	default:
		return nil, g, path + " is not a metric with one value a repeat: it starts with steps., phases., conversations. or run."
	}
	d, ok := Lookup(name)
	switch {
	case !ok:
		return nil, g, fmt.Sprintf("there is no metric %q", name)
	case !d.Numeric() || slices.Contains(whole, name) || d.At(CellLevel):
		return nil, g, name + " is not a number that each repeat has"
	case root == "run" && !d.At(RunLevel), root != "run" && d.over == nil && !d.Aggregate(), d.over != nil && !d.At(ConversationLevel):
		return nil, g, name + " is not a metric of " + strings.TrimSuffix(path, "."+name)
	}
	return d, g, ""
}

// Spread is the noise floor of the sample: the standard deviation of the relative difference of
// the medians of two sets of repeats of this size when nothing has changed. It is found from
// splits random halvings of the sample; a half has half the values, so its variance is halved.
// It is unknown for fewer than four values or a median of 0.
func (s Sample) Spread(splits int) (sd float64, ok bool) {
	n := len(s.Values)
	if n < 4 || splits < 1 {
		return 0, false
	}
	old := middle(slices.Sorted(slices.Values(s.Values)))
	if old == 0 {
		return 0, false
	}
	random := rand.New(rand.NewPCG(uint64(n), uint64(splits))) // the same file gives the same floor
	v := slices.Clone(s.Values)
	var squares float64
	for range splits {
		random.Shuffle(n, func(i, j int) { v[i], v[j] = v[j], v[i] })
		d := middle(slices.Sorted(slices.Values(v[:n/2]))) - middle(slices.Sorted(slices.Values(v[n/2:])))
		squares += (d / old) * (d / old)
	}
	return math.Sqrt(squares / float64(splits) / 2), true
}

// Outliers lists the repeats whose value lies more than five scaled median deviations from the
// median. They are told, never left out: a stall is part of what the server does.
func (s Sample) Outliers() []int {
	if len(s.Values) < 5 {
		return nil
	}
	m := middle(slices.Sorted(slices.Values(s.Values)))
	dev := make([]float64, len(s.Values))
	for i, v := range s.Values {
		dev[i] = math.Abs(v - m)
	}
	mad := 1.4826 * middle(slices.Sorted(slices.Values(dev))) // the standard deviation, were they normal
	var out []int
	for i := range s.Values {
		if mad > 0 && dev[i] > 5*mad && dev[i] > 0.05*math.Abs(m) {
			out = append(out, s.Repeats[i])
		}
	}
	return out
}

// Drift is a steady rise or fall over the repeats of a run.
type Drift struct {
	Path  string
	Total float64 // from the first repeat to the last, relative to the median
	P     float64 // of the Mann-Kendall test
}

// Drift finds a monotone trend: Mann-Kendall says whether there is one (Mann 1945; normal
// approximation with continuity and tie correction, for at least eight values), Theil and Sen's
// median of all slopes how large it is.
func (s Sample) Drift() (Drift, bool) {
	n := len(s.Values)
	if n < 8 {
		return Drift{}, false
	}
	score := 0
	var slopes []float64
	ties := map[float64]int{}
	for i, v := range s.Values {
		ties[v]++
		for j := i + 1; j < n; j++ {
			switch {
			case s.Values[j] > v:
				score++
			case s.Values[j] < v:
				score--
			}
			slopes = append(slopes, (s.Values[j]-v)/float64(s.Repeats[j]-s.Repeats[i]))
		}
	}
	variance := float64(n*(n-1)*(2*n+5)) / 18
	for _, t := range ties {
		variance -= float64(t*(t-1)*(2*t+5)) / 18
	}
	old := middle(slices.Sorted(slices.Values(s.Values)))
	if variance <= 0 || old == 0 {
		return Drift{}, false
	}
	z := max(math.Abs(float64(score))-1, 0) / math.Sqrt(variance)
	slices.Sort(slopes)
	return Drift{
		Path:  s.Path,
		Total: middle(slopes) * float64(s.Repeats[n-1]-s.Repeats[0]) / math.Abs(old),
		P:     math.Erfc(z / math.Sqrt2),
	}, true
}

// Unsteady remarks on what makes the numbers of the cell less sure than they look: a drift of at
// least 3 % over the run that chance does not explain, and repeats far from the others.
func (c *Cell) Unsteady() []string {
	var paths []string
	for _, phase := range []string{"before", "with_rag", "after_removal"} {
		for _, m := range []string{"ttft_ms", "tpot_ms"} {
			if len(c.Measured(Group{Phase: phase})) > 0 {
				paths = append(paths, "phases."+phase+"."+m)
			}
		}
	}
	var out, far []string
	for _, path := range paths {
		s := c.Sample(path)
		if d, ok := s.Drift(); ok && d.P < 0.01/float64(len(paths)) && math.Abs(d.Total) >= 0.03 {
			out = append(out, fmt.Sprintf("%s drifted by %+.1f %% over the %d repeats (Mann-Kendall p = %.2g): the machine was not steady", path, 100*d.Total, len(s.Values), d.P))
		}
		if n := s.Outliers(); len(n) > 0 {
			far = append(far, path+" in "+repeatList(n))
		}
	}
	if len(far) > 0 {
		out = append(out, "far from the other repeats, and kept: "+strings.Join(far, "; "))
	}
	return out
}

func repeatList(n []int) string {
	if len(n) == 1 {
		return fmt.Sprintf("repeat %d", n[0])
	}
	return "repeats " + strings.Trim(strings.ReplaceAll(fmt.Sprint(n), " ", ", "), "[]")
}
