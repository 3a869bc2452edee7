package metrics

import (
	"fmt"
	"math"
	"time"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// drifts are the changes of figures over a run.
var drifts = []Def{
	drift("ttft_ms", "ms", -1, "time to the first token"),
	drift("tpot_ms", "ms", -1, "time per output token"),
	drift("output_tps", "tokens/s", +1, "decode speed"),
	drift("gpu.sm_clock_mhz", "MHz", 0, "clock of the cores of the fastest GPU"),
}

// leastDrift is the smallest number of values of which an interval of the drift is known.
const leastDrift = 5

func drift(of, unit string, better int, doc string) Def {
	d := Def{Name: "drift." + of, Unit: unit, Kind: Float, Better: better, Signed: true, Levels: []Level{RunLevel},
		drift: of, Source: "Theil-Sen over the windows or repeats",
		Doc: "change of the " + doc + " from the first window of the run to the last, or from the first repeat to the last",
		Formula: "median of the slopes between the means of all pairs of windows (Theil 1950, Sen 1968) × (last window - " +
			"first); its interval: Sen's, from the exact distribution of Kendall's S"}
	d.over = func(c *Cell, _ []*event.Request) (any, string) {
		rise, why := c.rise(of)
		return rise.low, why
	}
	d.span = func(c *Cell, _ []*event.Request) event.Range {
		rise, _ := c.rise(of)
		if rise.n < leastDrift {
			return d.natural()
		}
		return event.Range{Low: rise.low, High: rise.high}
	}
	return d
}

// rise is how far a figure rose over a run.
type rise struct {
	low, high float64 // equal if it is exact
	n         int     // windows or repeats
	length    float64 // from the first of them to the last
	slope     stats.Slope
}

// bounds are the lower and the upper bound of the rise, each with this confidence.
func (r rise) bounds(confidence float64) (low, high float64) {
	low, high = r.slope.Bounds(confidence)
	return low * r.length, high * r.length
}

// rise is how far a metric rose from the first window or repeat to the last, or why that is not known.
func (c *Cell) rise(of string) (r rise, why string) {
	var low, high []float64
	var at []int
	unknown := ""
	for _, v := range c.overTime(of) {
		if v.none != "" {
			continue
		}
		limits := event.Range{High: math.Inf(1)}
		if f, ok := v.Number(); ok {
			limits = event.Range{Low: f, High: f}
		} else if unknown = v.Why; v.Range != nil {
			limits = *v.Range
		}
		low, high, at = append(low, limits.Low), append(high, limits.High), append(at, v.repeat)
	}
	if r.n = len(at); r.n < leastDrift {
		why = fmt.Sprintf("a drift needs the values of %d windows or repeats, and there are %d", leastDrift, r.n)
		if unknown != "" {
			why += ": " + unknown
		}
		return r, why
	}
	r.length = float64(at[len(at)-1] - at[0])
	r.slope = stats.SlopeOf(low, high, at)
	r.low, r.high = r.slope.Low*r.length, r.slope.High*r.length
	return r, unknown
}

// overTime is a metric in every window or repeat.
func (c *Cell) overTime(of string) []repeatValue {
	for _, table := range [][]Def{latencies, speeds} {
		for i := range table {
			if table[i].Name == of {
				return table[i].repeats(c, Group{})
			}
		}
	}
	var out []repeatValue
	for _, n := range c.Repeats() {
		from, to := c.times(n)
		v := repeatValue{repeat: n, none: "no sample fell into it"}
		sum, count := 0.0, 0
		for _, p := range c.Series(of) {
			if p.At >= from && p.At < to {
				sum, count = sum+p.V, count+1
			}
		}
		if count > 0 {
			v.none, v.V = "", sum/float64(count)
		}
		out = append(out, v)
	}
	return out
}

// times is when a window or a repeat was played.
func (c *Cell) times(repeat int) (from, to time.Duration) {
	if c.Windows != nil {
		return c.window(repeat)
	}
	for i, q := range c.Measured(Group{Repeat: repeat}) {
		if i == 0 || q.Due < from {
			from = q.Due
		}
		to = max(to, q.Done)
	}
	return from, to
}

// Drift is one of the figures of how something changed over a run, with its 95 % interval.
type Drift struct {
	*Def
	Value
	Within event.Range
}

// Drifts are those of a cell that is played for a time, as far as they are known.
func (c *Cell) Drifts() (out []Drift) {
	if c.Windows == nil {
		return nil
	}
	for i := range drifts {
		d := &drifts[i]
		r, _ := c.rise(d.drift)
		if v := d.Over(c, c.Measured(Group{})); r.n >= leastDrift {
			low, high := r.bounds(1 - (1-stats.Level)/2)
			out = append(out, Drift{d, v, event.Range{Low: low, High: high}})
		}
	}
	return out
}
