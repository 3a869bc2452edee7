package observe

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/event"
)

// served are prompts as a made-up server took them.
type served struct {
	prompts []int // tokens, of which it has 3 for two words and 10 beside
	notes   []string
	stalls  func(k int) float64 // factor on the time of prompt k; nil: 1
}

// coldOf measures cold prompts of a server that takes each for each token of a prompt, and fails some of them.
func (s *served) coldOf(each time.Duration, fails func(k, tokens int) *event.Error) *cold {
	began := time.Now()
	return &cold{
		text: func(words int) string { return strings.Repeat("word ", words) },
		notes: notes{said: map[string]bool{}, add: func(code, _ string, _ ...any) {
			s.notes = append(s.notes, code)
		}},
		send: func(_ context.Context, text, _ string) event.Exchange {
			tokens := 10 + 3*len(strings.Fields(text))/2
			s.prompts = append(s.prompts, tokens)
			sent := time.Since(began)
			took := time.Duration(tokens) * each
			if s.stalls != nil {
				took = time.Duration(float64(took) * s.stalls(len(s.prompts)))
			}
			time.Sleep(took)
			e := event.Exchange{Sent: &sent, Usage: event.Usage{Prompt: &tokens}}
			switch e.Err = fails(len(s.prompts), tokens); {
			case e.Err == nil:
				e.Chunks = []event.Chunk{{At: time.Since(began)}}
			case e.Err.Class == "empty" && e.Err.Message == "":
				e.Finished = new(time.Since(began))
			}
			return e
		},
	}
}

func never(int, int) *event.Error { return nil }

// TestCold_Lengths sends ten lengths twice, to the longest, which is sent once ahead, and three of them again.
func TestCold_Lengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s served
		c := s.coldOf(time.Millisecond, never)
		out := c.before(t.Context(), 3000)
		if out == nil || len(out.Prompts) != coldLengths*coldRounds || len(s.prompts) != len(out.Prompts)+3 {
			t.Fatalf("%+v of %d prompts", out, len(s.prompts))
		}
		if n := slices.Max(s.prompts); n < 2950 || n > 3050 || s.prompts[2] != n {
			t.Errorf("the longest of %v is not the third one", s.prompts)
		}
		if again := c.again(t.Context(), 2); again == nil || again.After != 2 || len(again.Prompts) != 3 {
			t.Errorf("again: %+v", again)
		}
	})
}

// TestCold_Stalls sends a prompt that takes an unusual time once more, which tells a stall from a slower server.
func TestCold_Stalls(t *testing.T) {
	for name, tt := range map[string]struct {
		stalls func(k int) float64 // k counts from the first that is sent again
		want   int                 // prompts that are sent again
	}{
		"as before":   {func(int) float64 { return 1.05 }, 3},
		"one stall":   {func(k int) float64 { return 1 + 0.8*float64(max(0, 1-k*k)) }, 4},
		"slower now":  {func(int) float64 { return 1.4 }, 6},
		"faster now":  {func(int) float64 { return 0.8 }, 6},
		"last stalls": {func(k int) float64 { return 1 + float64(k/2) }, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			var s served
			c := s.coldOf(time.Millisecond, never)
			c.before(t.Context(), 3000)
			first := len(s.prompts) + 1
			s.stalls = func(k int) float64 { return tt.stalls(k - first) }
			if out := c.again(t.Context(), 1); out == nil || len(out.Prompts) != tt.want {
				t.Errorf("%s: %+v, want %d prompts", name, out, tt.want)
			}
		})
	}
}

// TestCold_EndsInTime sends a slow server shorter prompts, and one that is too slow next to none. It says so.
func TestCold_EndsInTime(t *testing.T) {
	for _, tt := range []struct {
		each        time.Duration
		some, short bool
	}{
		{time.Millisecond, true, false},
		{10 * time.Millisecond, true, true},
		{100 * time.Millisecond, false, false},
		{time.Second, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			var s served
			began := time.Now()
			c := s.coldOf(tt.each, never)
			out, took, short := c.before(t.Context(), 12_000), time.Since(began), slices.Contains(s.notes, "cold_prompts_short")
			if took > 5*coldLimit/4 || short != tt.short || (out != nil) != tt.some || (c.failed == "") != tt.some {
				t.Errorf("a token of %v: %d prompts in %v, notes %v, %q", tt.each, len(s.prompts), took, s.notes, c.failed)
			}
		})
	}
}

// TestCold_Fails checks that a reply without text counts, and that a shorter prompt is sent if the longest is refused.
func TestCold_Fails(t *testing.T) {
	empty, nothing := &event.Error{Class: "empty"}, &event.Error{Class: "empty", Message: "no reason to finish"}
	refused := &event.Error{Class: "http_4xx", Message: "too long"}
	when := func(failed bool, e *event.Error) *event.Error {
		if failed {
			return e
		}
		return nil
	}
	for name, tt := range map[string]struct {
		fails   func(k, tokens int) *event.Error
		longest int // of those that count; 0: there are none
	}{
		"every fifth reply is empty": {func(k, _ int) *event.Error { return when(k%5 == 0, empty) }, 3000},
		"more than 2,500 is refused": {func(_, n int) *event.Error { return when(n > 2500, refused) }, 2400},
		"every reply is empty":       {func(int, int) *event.Error { return empty }, 3000},
		"none has an end":            {func(int, int) *event.Error { return nothing }, 0},
		"all but the first fail":     {func(k, _ int) *event.Error { return when(k > 1, refused) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s served
				c := s.coldOf(time.Millisecond, tt.fails)
				out, longest := c.before(t.Context(), 3000), 0
				if out != nil {
					for _, p := range out.Prompts {
						longest = max(longest, p.Tokens)
					}
				}
				off, none := longest-tt.longest, out == nil
				if off < -50 || off > 50 || (longest == 0) != none || none && c.failed == "" {
					t.Errorf("the longest has %d tokens, want %d; %q", longest, tt.longest, c.failed)
				}
			})
		})
	}
}
