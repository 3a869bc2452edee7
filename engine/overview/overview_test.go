package overview

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// played is a run whose cells have one request a repeat, with the time to first token in ms that a function says.
type played struct {
	labels     [][]event.Label
	repeats    int
	sequential bool // cell after cell, not in turn
	ms         func(cell, repeat int) float64
	change     func(cell, repeat int, q *event.Request)
}

// on are cells along one axis.
func on(axis string, values ...string) (out [][]event.Label) {
	for _, v := range values {
		out = append(out, []event.Label{{Name: "server", Value: "s"}, {Name: axis, Value: v}})
	}
	return out
}

func (p played) run() *metrics.Run {
	r := &metrics.Run{}
	r.Add(event.Event{Body: event.RunStarted{Scenario: event.Scenario{Name: "s", Repeats: p.repeats}}})
	for i, l := range p.labels {
		id := fmt.Sprint("c", i)
		r.Add(event.Event{Cell: id, Body: event.CellPlanned{Labels: l}})
		r.Add(event.Event{Cell: id, Body: event.CellStarted{Attempt: 1}})
		for n := range p.repeats {
			at := n*len(p.labels) + i
			if p.sequential {
				at = i*p.repeats + n
			}
			due := time.Duration(at) * time.Minute
			first := due + time.Duration(p.ms(i, n+1)*float64(time.Millisecond))
			q := event.Request{Repeat: n + 1, Conversation: "c", Step: "q", Turn: 1, Phase: "before"}
			q.Due, q.Sent, q.Done = due, &due, first+time.Second
			q.Chunks = []event.Chunk{{At: first, Channel: event.Answer, Bytes: 1}}
			q.Usage.Prompt = new(120)
			if p.change != nil {
				p.change(i, n+1, &q)
			}
			r.Add(event.Event{Cell: id, Body: q})
		}
		r.Add(event.Event{Cell: id, Body: event.CellDone{}})
	}
	r.Add(event.Event{Body: event.RunDone{}})
	return r
}

// named finds a figure by its name.
func named(t *testing.T, all []Figure, name string) Figure {
	t.Helper()
	for _, f := range all {
		if f.Name() == name {
			return f
		}
	}
	t.Fatalf("there is no figure %s among %d", name, len(all))
	return Figure{}
}

func exact(v metrics.Value) string {
	n, ok := v.Number()
	if !ok {
		return fmt.Sprint(v.Range)
	}
	return fmt.Sprint(n)
}

const ttft = "phases.before.ttft_ms.p50"

func TestOf(t *testing.T) {
	// each repeat is 20 ms slower than the one before, and each cell 3 ms slower than the one before
	drift := func(cell, repeat int) float64 {
		return 100 + 20*float64(repeat) + 3*float64(cell) + 0.1*float64(repeat%3)
	}
	falling := func(cell, repeat int) float64 { return 900 - drift(cell, repeat) }
	for _, c := range []struct {
		name string
		played
		best   int
		sure   bool
		alike  []int
		beyond []int
		ranked int
	}{
		{"in turn", played{repeats: 9, ms: drift}, 0, true, nil, nil, 3},
		{"one after the other", played{repeats: 9, ms: drift, sequential: true}, 0, false, []int{1, 2}, nil, 3},
		{"too few repeats", played{repeats: 4, ms: drift}, 0, false, []int{1, 2}, nil, 3},
		{"the last", played{repeats: 9, ms: falling}, 2, true, nil, nil, 3},
		{"one that failed once", played{repeats: 9, ms: drift, change: func(cell, repeat int, q *event.Request) {
			if cell == 0 && repeat == 9 {
				q.Err = &event.Error{Class: "reset"}
			}
		}}, 1, true, nil, nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.labels = on("into", "turn", "system", "message")
			o, ok := Of(c.run(), exact)
			if !ok {
				t.Fatal("no overview")
			}
			b := named(t, o.Figures, ttft).Best
			if b == nil || b.Cell != c.best || b.Certain != c.sure || !slices.Equal(b.Alike, c.alike) ||
				!slices.Equal(b.Beyond, c.beyond) || b.Ranked != c.ranked {
				t.Errorf("%+v, want cell %d of %d, sure %v, alike %v", b, c.best, c.ranked, c.sure, c.alike)
			}
			if f := named(t, o.Same, "run.prompt_tokens.mean"); exact(f.Values[2].Value) != "120" || f.Best != nil {
				t.Errorf("prompts: %+v", f)
			}
			if len(o.Axes) != 1 || o.Name(1) != "into=system" {
				t.Errorf("axes %v, the second is %s", o.Axes, o.Name(1))
			}
		})
	}
}

// The interval of a median comes from the order of its repeats: of nine values the second and the eighth hold the
// median with 96.1 %.
func TestOf_Interval(t *testing.T) {
	p := played{labels: on("n", "16", "8"), repeats: 9, ms: func(cell, repeat int) float64 {
		return float64(100*cell + 10*repeat)
	}}
	o, _ := Of(p.run(), exact)
	v := named(t, o.Figures, ttft).Values[0]
	if v.Within == nil || *v.Within != (event.Range{Low: 20, High: 80}) || exact(v.Value) != "50" || v.Repeats != 9 {
		t.Errorf("%+v", v)
	}
	if !slices.Equal(o.Axes[0].Values, []string{"8", "16"}) {
		t.Errorf("numbers are not in order: %v", o.Axes[0].Values)
	}
	p.repeats = 5
	o, _ = Of(p.run(), exact)
	if v := named(t, o.Figures, ttft).Values[0]; v.Within != nil {
		t.Errorf("five repeats bound a median: %+v", v.Within)
	}
}

// Of equal cells none is told from the best, save in 5 % of all runs at most.
func TestOf_EqualCells(t *testing.T) {
	const runs = 300
	random := rand.New(rand.NewPCG(7, 7))
	told := 0
	for range runs {
		p := played{labels: on("n", "1", "2", "3", "4", "5"), repeats: 9, ms: func(int, int) float64 {
			return 100 + 3*random.NormFloat64()
		}}
		o, _ := Of(p.run(), exact)
		if named(t, o.Figures, ttft).Told() {
			told++
		}
	}
	if share := float64(told) / runs; share > 0.05 {
		t.Errorf("in %.1f %% of the runs a cell is told from the best", 100*share)
	}
}

// What all users get together stands beside the speed of one reply where several users play, and nowhere else.
func TestOf_Users(t *testing.T) {
	p := played{labels: on("users", "1", "2"), repeats: 2, ms: func(cell, _ int) float64 { return float64(100 + 50*cell) }}
	for _, users := range []int{1, 2} {
		p.change = func(cell, _ int, q *event.Request) {
			q.Usage.Completion = new(10)
			if cell == 1 && users == 2 {
				q.User = 2
			}
		}
		o, _ := Of(p.run(), exact)
		found := slices.ContainsFunc(o.Figures, func(f Figure) bool { return f.Name() == "run.throughput_tps.mean" })
		if found != (users == 2) {
			t.Errorf("%d users: %v", users, found)
		}
	}
}

// Of many cells those are listed that are the best of something, and then the first.
func TestRows(t *testing.T) {
	var values []string
	for i := range 30 {
		values = append(values, fmt.Sprint(i))
	}
	p := played{labels: on("n", values...), repeats: 2, ms: func(cell, _ int) float64 { return float64(500 - 10*cell) }}
	o, _ := Of(p.run(), exact)
	if got := o.Rows(4); !slices.Equal(got, []int{0, 1, 2, 29}) {
		t.Errorf("%v", got)
	}
	if got := o.Rows(40); len(got) != 30 {
		t.Errorf("%d of 30", len(got))
	}
	if _, ok := Of(played{labels: on("n", "1"), repeats: 2, ms: p.ms}.run(), exact); ok {
		t.Error("one cell has an overview")
	}
}
