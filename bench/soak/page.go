package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
)

// Bounds of what may grow between the first tenth of a run and its end.
const (
	moreGoroutines = 4    // one connection that is being replaced has some
	moreFiles      = 2    // a socket that is being replaced
	leftHeap       = 8e6  // bytes that may stay when a run is closed: pools and tables that are filled once
	perTurn        = 8192 // bytes that the fold may keep of one turn of 16 tokens
)

// page writes docs/soak.md, and returns what grew.
func (s *soaked) page(w io.Writer) error {
	if len(s.samples) < 10 {
		return errors.New("too few turns to say anything")
	}
	first, last := s.samples[len(s.samples)/10], s.samples[len(s.samples)-1]
	slope := (float64(last.heap) - float64(first.heap)) / float64(last.turns-first.turns)
	stays := float64(s.left.heap) - float64(s.start.heap)
	fmt.Fprintf(w, `# A long run

Written by %s: one run of %d turns that took %s, over real sockets, against a
simulator in a separate process whose clock runs %d times as fast (%s of its time), and that resets one connection in
a hundred (%d requests failed, as they should). On %s/%s with %d processors and %s, %s.

| | after the first tenth | at the end | after closing | may be |
|---|---|---|---|---|
| goroutines | %d | %d | %d | %d more |
| open files | %s | %s | %s | %d more |
| heap after a collection | %s | %s | %s | see below |
| journal | | %.1f MB | | |

The fold keeps every turn, because reports are made of it: the heap grew by %.0f bytes per turn (of 16 tokens; at most
%d are allowed), which is %.0f MB for 100,000 turns. All of that is the fold: when the run is closed and the fold let
go, %.1f MB more are held than before the run began (at most %.0f). Nothing else may grow with the turns.%s

| after | turns | goroutines | open files | heap |
|---|---|---|---|---|
`, "`go run ./bench/soak -for "+short(s.planned)+" -o docs/soak.md`", s.turns, s.took.Round(time.Second), speed,
		(speed * s.took).Round(time.Minute), s.failed,
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), s.finished.Format(time.DateOnly),
		first.goroutines, last.goroutines, s.left.goroutines, moreGoroutines,
		count(first.files), count(last.files), count(s.left.files), moreFiles,
		mb(first.heap), mb(last.heap), mb(s.left.heap), float64(s.journal)/1e6,
		slope, perTurn, slope*1e5/1e6, stays/1e6, leftHeap/1e6, s.shorter())
	for i, v := range s.samples {
		if i%5 == 4 || i == 0 {
			fmt.Fprintf(w, "| %s | %d | %d | %s | %s |\n", v.at.Round(time.Second), v.turns, v.goroutines, count(v.files),
				mb(v.heap))
		}
	}
	var grew []error
	check := func(what string, grown, most float64) {
		if grown > most {
			grew = append(grew, fmt.Errorf("%s: %.0f more, and at most %.0f are allowed", what, grown, most))
		}
	}
	for _, v := range s.samples[len(s.samples)/10:] {
		check(fmt.Sprintf("goroutines after %d turns", v.turns), float64(v.goroutines-first.goroutines), moreGoroutines)
		check(fmt.Sprintf("open files after %d turns", v.turns), float64(v.files-first.files), moreFiles)
	}
	check("goroutines after closing", float64(s.left.goroutines-s.start.goroutines), moreGoroutines)
	check("open files after closing", float64(s.left.files-s.start.files), moreFiles)
	check("bytes of heap per turn", slope, perTurn)
	check("bytes of heap after closing", stays, leftHeap)
	if s.failed == 0 {
		grew = append(grew, errors.New("no request failed: the faults did not come"))
	}
	return errors.Join(grew...)
}

// long is how long a run has to take before hours are said to be proven.
const long = 2 * time.Hour

// shorter says what a run that was cut short does not show.
func (s *soaked) shorter() string {
	if s.took >= long-long/10 {
		return ""
	}
	return " What shows after\nhours alone was not seen: the promise is two hours, and this run was shorter."
}

func count(n int) string {
	if n < 0 {
		return "–"
	}
	return fmt.Sprint(n)
}

func mb(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// short is a duration without the zeros that Go puts at its end.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(s) - len(zero); n > 0 && s[n:] == zero {
			s = s[:n+1]
		}
	}
	return s
}
