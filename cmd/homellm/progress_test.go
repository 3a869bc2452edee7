package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"homellm/engine"
	"homellm/engine/report/readable"
)

// TestDescribeProgress checks the progress texts: a known remaining time is worded differently from the most that a
// budget leaves.
func TestDescribeProgress(t *testing.T) {
	p := engine.Progress{Cell: "sim x m", Repeat: 7, Repeats: 9, Step: "one", Done: 13, Total: 14, ETA: 90*time.Second +
		400*time.Millisecond}
	for want, change := range map[string]func(*engine.Progress){
		"s · sim x m · repeat 7/9 · one · turn 13/14 · ETA 1m30s":         func(*engine.Progress) {},
		"s · sim x m · repeat 7/9 · one · turn 13/14 · ETA at most 1m30s": func(p *engine.Progress) { p.AtMost = true },
		"s · sim x m · warm-up 7/9 · one · turn 13/14": func(p *engine.Progress) {
			p.Warmup, p.ETA = true,
				0
		},
	} {
		now := p
		change(&now)
		if got := describeProgress("s", now, 200); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Whatever the width and however many cells, the progress is one line, and at 80 columns it says how far the run is.
func TestDescribeProgress_Width(t *testing.T) {
	p := engine.Progress{Cell: "llamacpp x qwen2.5-3b-instruct x placement=system x tokens=16000", Repeat: 7, Repeats: 20,
		Step: "after_removal", TTFT: 1234 * time.Millisecond, TokensPerSec: 61, Done: 1310, Total: 2400, Errors: 2,
		ETA: 61*time.Minute + 5*time.Second}
	for columns := 1; columns <= 240; columns++ {
		line := describeProgress("rag-placement", p, columns)
		if readable.Width(line) > columns || strings.Contains(line, "\n") {
			t.Errorf("%d columns: %q", columns, line)
		}
		if columns >= 79 && !strings.HasSuffix(line, " · turn 1310/2400 · 2 failed · ETA 1h1m5s") {
			t.Errorf("%d columns do not hold how far the run is: %q", columns, line)
		}
	}
	if line := describeProgress("rag-placement", p, 200); !strings.Contains(line, "TTFT 1234 ms · 61 tok/s · turn") {
		t.Errorf("200 columns: %q", line)
	}
}

// A note that is written while a progress line is shown clears the line first, and leaves nothing to clear.
func TestNotesBesideProgress(t *testing.T) {
	var b bytes.Buffer
	p := process{stderr: &inTurn{w: plain{&b}}}
	p.say("first")
	for _, line := range []string{repaint + "s · turn 1/2", repaint + "s · turn 2/2"} {
		if _, err := p.stderr.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	p.say("second")
	p.say("third")
	want := "homellm: first\n" + repaint + "s · turn 1/2" + repaint + "s · turn 2/2" + repaint +
		"homellm: second\nhomellm: third\n"
	if got := b.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
