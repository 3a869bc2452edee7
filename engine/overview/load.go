package overview

import (
	"cmp"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// Load is what users get of a server, over their number: cells that differ in nothing else.
type Load struct {
	Axis   string // that decides the number of users
	Name   string // values of the other axes; empty: there are none
	Points []LoadPoint
	Knee   int    // of the points; -1: it is not known
	Why    string // it is not known
}

// LoadPoint is one number of users.
type LoadPoint struct {
	Cell  int
	Users int
	Each  []metrics.Value // in the order of [LoadFigures]
	// Kleinrock's power: throughput_tps divided by the mean time of a reply in seconds
	Power metrics.Value
}

// LoadFigure is a figure over the number of users.
type LoadFigure struct {
	*metrics.Def
	Head string
}

// LoadFigures are the figures of a load.
func LoadFigures() []LoadFigure {
	return []LoadFigure{
		{metrics.Must("ttft_ms"), "TTFT"},
		{metrics.Must("output_tps"), "tok/s of each user"},
		{metrics.Must("throughput_tps"), "tok/s of all users"},
	}
}

// fewestPoints is the smallest number of points of which one can lie between others.
const fewestPoints = 3

// Loads are the loads of a run: one for each combination of the axes that do not decide the number of users.
func (o Overview) Loads() (out []Load) {
	axis := slices.IndexFunc(o.Axes, o.decidesUsers)
	if axis < 0 {
		return nil
	}
	at := map[string]int{}
	for i, c := range o.Cells {
		if len(c.Measured(metrics.Group{})) == 0 {
			continue
		}
		var rest []string
		for k, a := range o.Axes {
			if k != axis {
				rest = append(rest, a.Name+"="+a.At(c))
			}
		}
		name := strings.Join(rest, " x ")
		k, known := at[name]
		if !known {
			k = len(out)
			at[name] = k
			out = append(out, Load{Axis: o.Axes[axis].Name, Name: name})
		}
		out[k].Points = append(out[k].Points, pointOf(i, c))
	}
	for i := range out {
		l := &out[i]
		slices.SortFunc(l.Points, func(a, b LoadPoint) int { return cmp.Compare(a.Users, b.Users) })
		l.Knee, l.Why = knee(l.Points)
	}
	return slices.DeleteFunc(out, func(l Load) bool { return len(l.Points) < 2 })
}

// decidesUsers says whether each value of an axis is a number of users of its own.
func (o Overview) decidesUsers(a Axis) bool {
	users, of := map[string]int{}, map[int]string{}
	for _, c := range o.Cells {
		v, n := a.At(c), max(1, c.Planned.Users)
		if before, seen := users[v]; seen && before != n {
			return false
		}
		if before, seen := of[n]; seen && before != v {
			return false
		}
		users[v], of[n] = n, v
	}
	return len(of) > 1
}

func pointOf(i int, c *metrics.Cell) LoadPoint {
	all := c.Measured(metrics.Group{})
	p := LoadPoint{Cell: i, Users: max(1, c.Planned.Users)}
	for _, f := range LoadFigures() {
		p.Each = append(p.Each, f.Over(c, all))
	}
	throughput, took := p.Each[2], metrics.Must("e2e_ms").Over(c, all)
	tokens, known := throughput.Number()
	ms, timed := took.Number()
	switch p.Power.Unit = "tokens/s²"; {
	case known && timed && ms > 0:
		p.Power.V = tokens / (ms / 1000)
	case throughput.Range != nil && timed && ms > 0:
		p.Power.Range = &event.Range{Low: throughput.Range.Low / (ms / 1000), High: throughput.Range.High / (ms / 1000)}
		p.Power.Why = throughput.Why
	default:
		p.Power.Why = cmp.Or(throughput.Why, took.Why, "nothing was measured")
	}
	return p
}

// knee is the point with the largest power, throughput divided by response time (Kleinrock 1979): up to there a further
// user adds more to what all get than it takes from each, beyond it the reverse. It has to lie between others: at the
// last point more users might raise the power, and at the first fewer might.
func knee(points []LoadPoint) (at int, why string) {
	if len(points) < fewestPoints {
		return -1, "a knee takes at least three numbers of users"
	}
	most := 0.0
	for i, p := range points {
		v, ok := p.Power.Number()
		if !ok {
			return -1, "the power is not known for every number of users: " + p.Power.Why
		}
		if v > most {
			at, most = i, v
		}
	}
	switch at {
	case 0:
		return -1, "the power is largest with the fewest users: the knee is there or below"
	case len(points) - 1:
		return -1, "the power is largest with the most users: the knee is there or above"
	}
	return at, ""
}
