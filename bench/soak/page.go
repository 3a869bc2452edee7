package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
)

// Limits of growth between the first tenth of the runs and any later one.
const (
	moreGoroutines = 4               // a connection that is being replaced has some
	moreFiles      = 2               // a socket that is being replaced
	moreHeap       = 8e6             // bytes: pools and tables that are filled once
	perTurn        = 8192            // bytes that the fold may keep of one turn of 16 tokens
	longestPause   = 3 * time.Second // between the end of one reply and that of the next, on a busy machine
)

// page writes docs/soak.md, and returns what grew.
func (s *soaked) page(w io.Writer) error {
	if len(s.samples) < 10 {
		return errors.New("too few runs to say anything")
	}
	first, last := s.samples[len(s.samples)/10], s.samples[len(s.samples)-1]
	most := first
	for _, v := range s.samples[len(s.samples)/10:] {
		most.goroutines, most.files = max(most.goroutines, v.goroutines), max(most.files, v.files)
		most.heap = max(most.heap, v.heap)
	}
	kept := (float64(s.peak) - float64(first.heap)) / float64(s.load.turns())
	fmt.Fprintf(w, `# A long run

Written by %s: %d runs, one after the other without a pause, that
took %s with %d turns, %.0f a second, over real sockets, against a simulator in a separate process whose clock
runs %d times as fast, and that resets one connection in a hundred (%d requests failed, as they should).%s
At most %s passed without the end of a reply. On %s/%s with %d processors and %s, %s.

| after a run | first tenth of the runs | last run | most | may be |
|---|---|---|---|---|
| goroutines | %d | %d | %d | %d more |
| open files | %s | %s | %s | %d more |
| heap after a collection | %s | %s | %s | %.0f MB more |

The fold keeps every turn of a run, because reports are made of it: at the end of a run it is %.0f bytes per turn (of 16
tokens; at most %d are allowed), which is %.0f MB for 100,000 turns. It is let go with its run. The journals were %.1f
MB.%s

| after | turns | goroutines | open files | heap |
|---|---|---|---|---|
`, "`go run ./bench/soak"+s.load.flags()+" -for "+short(s.planned)+" -o docs/soak.md`", len(s.samples),
		s.took.Round(time.Second), s.turns,
		float64(s.turns)/s.took.Seconds(), speed, s.failed, s.load.sentence(), s.pause.Round(time.Millisecond),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), s.finished.Format(time.DateOnly),
		first.goroutines, last.goroutines, most.goroutines, moreGoroutines,
		count(first.files), count(last.files), count(most.files), moreFiles,
		mb(first.heap), mb(last.heap), mb(most.heap), moreHeap/1e6,
		kept, perTurn, kept*1e5/1e6, float64(s.journals)/1e6, s.shorter())
	every := max(1, len(s.samples)/12)
	for i, v := range s.samples {
		if i%every == every-1 || i == 0 {
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
	check("goroutines", float64(most.goroutines-first.goroutines), moreGoroutines)
	check("open files", float64(most.files-first.files), moreFiles)
	check("bytes of heap", float64(most.heap)-float64(first.heap), moreHeap)
	check("goroutines of the first runs", float64(first.goroutines-s.start.goroutines), moreGoroutines)
	check("bytes of the fold per turn", kept, perTurn)
	check("milliseconds without a reply", float64(s.pause.Milliseconds()), float64(longestPause.Milliseconds()))
	if s.failed == 0 {
		grew = append(grew, errors.New("no request failed: the faults did not come"))
	}
	return errors.Join(grew...)
}

// flags are those of the command that plays this load.
func (l load) flags() string {
	if l.users == 0 {
		return ""
	}
	return fmt.Sprintf(" -users %d", l.users)
}

// sentence says who played, if it was not one user.
func (l load) sentence() string {
	if l.users == 0 {
		return ""
	}
	return fmt.Sprintf(" %d users played at the same time, and every turn of each was played.", l.users)
}

// long is how long a run must be to show what happens after hours.
const long = 2 * time.Hour

// shorter says what a shortened run does not show.
func (s *soaked) shorter() string {
	if s.took >= long-long/10 {
		return ""
	}
	return " What shows after hours alone was not seen: the promise is two hours, and this run was shorter."
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
