package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/crash"
	"homellm/engine/event"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// bar shows the progress of a run. The engine stores the latest state and never waits: a ticker prints it, so that a
// terminal stopped by Ctrl-S cannot slow a measurement.
type bar struct {
	w       io.Writer
	name    string
	columns int
	latest  atomic.Pointer[engine.Progress]
	painted string
	seen    *engine.Progress // the latest line, and since when
	since   time.Time
	done    chan struct{}
	ended   sync.WaitGroup
}

const (
	paintEvery = 100 * time.Millisecond // on a terminal
	lineEvery  = 250 * time.Millisecond // elsewhere: least time between two lines about repeats
	tellAfter  = 3 * time.Second        // waits longer than this are reported
)

func startProgress(p process, plan *dsl.Plan, quiet bool) *bar {
	b := &bar{w: p.stderr, name: plan.Name, columns: p.columns, done: make(chan struct{})}
	if quiet {
		b.w = io.Discard
		b.columns = 0
	}
	every, paint := lineEvery, b.line
	if b.columns > 0 {
		every, paint = paintEvery, b.repaint
	}
	b.ended.Go(crash.Guarded(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				paint()
			case <-b.done:
				if b.columns > 0 {
					fmt.Fprint(b.w, repaint)
				}
				return
			}
		}
	}))
	return b
}

func (b *bar) show(p engine.Progress) { b.latest.Store(&p) }

func (b *bar) stop() {
	close(b.done)
	b.ended.Wait()
}

// repaint overwrites the progress line of a terminal.
func (b *bar) repaint() {
	if p := b.latest.Load(); p != nil && (p.Waiting != "" || p.Repeat > 0) {
		said := describeProgress(b.name, *p, b.columns-1)
		if p.Waiting != "" {
			said = readable.Shorten(text.OneLine(b.waiting(*p)), b.columns-1)
		}
		fmt.Fprint(b.w, repaint+said)
	}
}

// line writes one line for every pass, if the output is not a terminal.
func (b *bar) line() {
	p := b.latest.Load()
	if p == nil || p.Waiting == "" && p.Repeat == 0 {
		return
	}
	if p != b.seen {
		b.seen, b.since = p, time.Now()
	}
	if p.Waiting != "" && time.Since(b.since) < tellAfter {
		return
	}
	said := fmt.Sprintf("%s · %s · %s", b.name, p.Cell, describePass(*p))
	if p.Waiting != "" {
		said = b.waiting(*p)
	}
	said = text.OneLine(said)
	if said != b.painted {
		b.painted = said
		fmt.Fprintln(b.w, said)
	}
}

func (b *bar) waiting(p engine.Progress) string {
	return fmt.Sprintf("%s · %s · waiting for %s", b.name, p.Cell, p.Waiting)
}

func describePass(p engine.Progress) string {
	kind := "repeat"
	switch {
	case p.Warmup:
		kind = "warm-up"
	case p.Windows:
		kind = "window"
	}
	return fmt.Sprintf("%s %d/%d", kind, p.Repeat, p.Repeats)
}

// describeProgress says where a run is in at most the given number of columns: the least important parts are dropped
// first, and the progress itself stays.
func describeProgress(name string, p engine.Progress, columns int) string {
	far := []string{fmt.Sprintf("turn %d/%d", p.Done, p.Total)}
	if p.Total == 0 {
		far[0] = fmt.Sprintf("turn %d", p.Done)
	}
	if p.Errors > 0 {
		far = append(far, fmt.Sprintf("%d failed", p.Errors))
	}
	switch {
	case p.ETA > 0 && p.AtMost:
		far = append(far, "ETA at most "+p.ETA.Round(time.Second).String())
	case p.ETA > 0:
		far = append(far, "ETA "+p.ETA.Round(time.Second).String())
	}
	end := strings.Join(far, between)
	where := []string{describePass(p), p.Step} // in the order of their worth
	if p.TTFT > 0 {
		where = append(where, fmt.Sprintf("TTFT %.0f ms", event.Milliseconds(p.TTFT)))
	}
	if p.TokensPerSec > 0 {
		where = append(where, fmt.Sprintf("%.0f tok/s", p.TokensPerSec))
	}
	what := name + between + p.Cell
	for n := len(where); n >= 0; n-- {
		parts := append(append([]string{what}, where[:n]...), end)
		if line := text.OneLine(strings.Join(parts, between)); readable.Width(line) <= columns {
			return line
		}
	}
	room := columns - readable.Width(between+end)
	if room < 2 {
		return readable.Shorten(text.OneLine(end), columns)
	}
	return readable.Shorten(text.OneLine(what), room) + between + end
}

// between separates the parts of a progress line.
const between = " · "
