package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"homellm/engine/client/goldentest"
	"homellm/engine/crash"
	"homellm/engine/processor"
)

// load is one way to keep a reader busy.
type load struct {
	name     string
	shape    string
	streams  int
	requests int // of each stream in a round, after one that is not counted
	pace     goldentest.Pace
}

// loads are played for every reader in turn.
var loads = []load{
	{"1 stream, short replies", "plain", 1, 40, goldentest.Pace{First: 20 * time.Millisecond, Gap: 5 * time.Millisecond,
		Tokens: 5}},
	{"1 stream", "plain", 1, 3, goldentest.Pace{First: 20 * time.Millisecond, Gap: 5 * time.Millisecond, Tokens: 200}},
	{"128 streams", "plain", 128, 1, goldentest.Pace{First: 100 * time.Millisecond, Gap: 10 * time.Millisecond,
		Tokens: 200}},
	{"64 users", "plain", 64, 2, goldentest.Pace{First: 200 * time.Millisecond, Gap: 20 * time.Millisecond, Tokens: 100}},
	{"1,000 streams", "plain", 1000, 1, goldentest.Pace{First: 500 * time.Millisecond, Gap: 100 * time.Millisecond,
		Tokens: 30}},
	{"flood", "flood", 1, 2, goldentest.Pace{Tokens: 200_000}},
}

// rounds is how often the readers take turns, so that other load on the machine affects all alike. The processor time
// of each round is measured separately and the median counts, which leaves out interference in single rounds.
const rounds = 7

// figures are a reader's results under a load.
type figures struct {
	biases  []time.Duration // time to first token, minus the truth
	gaps    []time.Duration // by how much a gap between tokens is off
	cpu     time.Duration   // processor time of this process
	costs   []time.Duration // and of each chunk, round by round
	mallocs uint64
	chunks  int
	wall    time.Duration
}

func (f *figures) cpuPerChunk() time.Duration { return rank(f.costs, 50) }

func speedReport(ctx context.Context, out io.Writer, quick bool, only string) error {
	fmt.Fprintf(out, "Measured %s on %s; the golden server runs in a separate process on the same machine.\n\n", today(),
		machine())
	fmt.Fprintln(out, "| load | reader | TTFT bias p50 | p99 | gap error p99 | CPU per chunk | of the bare loop | "+
		"chunks/s | chunks per CPU second | allocations per chunk |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|")
	results := map[string]map[string]*figures{}
	for _, l := range loads {
		if only != "" && only != l.name {
			continue
		}
		rounds := rounds
		if quick {
			l.requests, rounds = max(l.requests/10, 1), 1
		}
		results[l.name] = map[string]*figures{}
		for _, r := range readers {
			results[l.name][r.name] = new(figures)
		}
		for range rounds {
			for _, r := range readers {
				if err := l.play(ctx, r, results[l.name][r.name]); err != nil {
					return fmt.Errorf("%s under %s: %w", r.name, l.name, err)
				}
			}
		}
		bare := results[l.name]["bare loop"]
		for _, r := range readers {
			row(out, l, r.name, results[l.name][r.name], bare)
		}
	}
	switch {
	case len(results) == 0:
		return fmt.Errorf("no load is called %q", only)
	case only != "":
		return nil
	}
	return bounds(out, results)
}

func row(out io.Writer, l load, name string, f, bare *figures) {
	bias50, bias99, gap := "–", "–", "–"
	if len(f.biases) > 0 {
		bias50, bias99, gap = ms(rank(f.biases, 50)), ms(rank(f.biases, 99)), ms(rank(f.gaps, 99))
	}
	fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %.2f µs | %.2f | %.0f | %.0f | %.2f |\n", l.name, name, bias50, bias99,
		gap,
		micro(f.cpuPerChunk()), float64(f.cpuPerChunk())/float64(bare.cpuPerChunk()),
		float64(f.chunks)/f.wall.Seconds(), float64(f.chunks)/f.cpu.Seconds(), float64(f.mallocs)/float64(f.chunks))
}

func ms(d time.Duration) string     { return fmt.Sprintf("%.3f ms", float64(d)/float64(time.Millisecond)) }
func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// rank is the p-th percentile by nearest rank.
func rank(values []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max((len(sorted)*p+99)/100, 1)-1]
}

// play runs one reader under the load and sums up its results.
func (l load) play(ctx context.Context, r reader, f *figures) error {
	g, err := startGolden(ctx, l.pace)
	if err != nil {
		return err
	}
	defer g.stop()
	asks := make([]func(context.Context) (reading, error), l.streams)
	for i := range asks {
		if asks[i], err = r.open(fmt.Sprintf("%s/%s/%d/v1", g.base, l.shape, i), l.pace.Tokens); err != nil {
			return err
		}
	}
	if _, err := l.round(ctx, asks, 1); err != nil { // connections, caches, the heap
		return err
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	used, _ := processor.Time()
	begin := time.Now()
	readings, err := l.round(ctx, asks, l.requests)
	if err != nil {
		return err
	}
	now, _ := processor.Time()
	cpu := now - used
	f.cpu += cpu
	f.wall += time.Since(begin)
	runtime.ReadMemStats(&after)
	f.mallocs += after.Mallocs - before.Mallocs
	already := f.chunks
	for i, mine := range readings {
		truths, err := g.truths(ctx, fmt.Sprint(i))
		if err != nil {
			return err
		}
		for n, got := range mine {
			f.add(got, truths[n+1]) // the first was not counted
		}
	}
	f.costs = append(f.costs, cpu/time.Duration(max(f.chunks-already, 1)))
	return nil
}

// round sends requests on every stream at once, several times in turn.
func (l load) round(ctx context.Context, asks []func(context.Context) (reading, error), times int) ([][]reading,
	error) {
	readings := make([][]reading, len(asks))
	errs := make([]error, len(asks))
	var wg sync.WaitGroup
	for i, ask := range asks {
		wg.Go(crash.Guarded(func() {
			for range times {
				got, err := ask(ctx)
				if err != nil {
					errs[i] = err
					return
				}
				readings[i] = append(readings[i], got)
			}
		}))
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return readings, nil
}

// add compares one reading with the truth, if there is one: a flood has none.
func (f *figures) add(got reading, truth []time.Duration) {
	f.chunks += len(got.tokens)
	if len(truth) == 0 || len(truth) > len(got.tokens) {
		return
	}
	f.biases = append(f.biases, got.ttft-truth[0])
	for i := 1; i < len(truth); i++ {
		f.gaps = append(f.gaps, ((got.tokens[i] - got.tokens[i-1]) - (truth[i] - truth[i-1])).Abs())
	}
}

// bounds says which of the client's bounds hold, and fails if one does not.
func bounds(out io.Writer, results map[string]map[string]*figures) error {
	short, one, many, flood := results["1 stream, short replies"], results["1 stream"], results["128 streams"],
		results["flood"]
	users, thousand := results["64 users"], results["1,000 streams"]
	ours := func(load map[string]*figures) *figures { return load["homellm"] }
	ratio := func(load map[string]*figures) float64 {
		return float64(ours(load).cpuPerChunk()) / float64(load["bare loop"].cpuPerChunk())
	}
	allocations := func(load map[string]*figures) float64 {
		return float64(ours(load).mallocs) / float64(ours(load).chunks)
	}
	missed := 0
	fmt.Fprint(out, "\n| bound | measured | holds |\n|---|---|---|\n")
	for _, b := range []struct {
		text     string
		measured string
		ok       bool
	}{
		{"TTFT bias at 1 stream, p50 at most 0.3 ms", ms(rank(ours(short).biases, 50)),
			rank(ours(short).biases, 50) <= 300*time.Microsecond},
		{"TTFT bias at 1 stream, p99 at most 1 ms", ms(rank(ours(short).biases, 99)),
			rank(ours(short).biases, 99) <= time.Millisecond},
		{"TTFT bias at 128 streams, p99 at most 15 ms", ms(rank(ours(many).biases, 99)),
			rank(ours(many).biases, 99) <= 15*time.Millisecond},
		{"TTFT bias of 64 users, p99 at most 15 ms", ms(rank(ours(users).biases, 99)),
			rank(ours(users).biases, 99) <= 15*time.Millisecond},
		{"TTFT bias at 1,000 streams, p99 at most 15 ms", ms(rank(ours(thousand).biases, 99)),
			rank(ours(thousand).biases, 99) <= 15*time.Millisecond},
		{"gap error at 1 stream, p99 at most 0.1 ms", ms(rank(ours(one).gaps, 99)),
			rank(ours(one).gaps, 99) <= 100*time.Microsecond},
		{"CPU per chunk at 1 stream, at most 1.15 of the bare loop", fmt.Sprintf("%.2f", ratio(one)), ratio(one) <= 1.15},
		{"CPU per chunk at 128 streams, at most 1.15 of the bare loop", fmt.Sprintf("%.2f", ratio(many)),
			ratio(many) <= 1.15},
		{"flooded, at least 0.4 M chunks per CPU second",
			fmt.Sprintf("%.2f M", float64(ours(flood).chunks)/ours(flood).cpu.Seconds()/1e6),
			float64(ours(flood).chunks)/ours(flood).cpu.Seconds() >= 4e5},
		{"at most 2 allocations per chunk at 1 stream", fmt.Sprintf("%.2f", allocations(one)), allocations(one) <= 2},
		{"at most 2 allocations per chunk when flooded", fmt.Sprintf("%.2f", allocations(flood)), allocations(flood) <= 2},
	} {
		verdict := "yes"
		if !b.ok {
			verdict = "**no**"
			missed++
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", b.text, b.measured, verdict)
	}
	if missed > 0 {
		return fmt.Errorf("%d bounds do not hold", missed)
	}
	return nil
}
