package sim

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// fixed is a request for exactly n tokens.
func fixed(n int) fields { return fields{"max_tokens": n, "min_tokens": n, "ignore_eos": true} }

// A client in virtual time sees every token at the instant of the ledger, and the ledger is the formula.
func TestStreamKeepsTheSchedule(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		roof := b.s.engine.roof
		messages := []Message{{"system", manual(3000)}, {"user", "How tight are the head bolts?"}}
		for turn, cached := range []int{0, -1} {
			s := b.ask(messages, fixed(40))
			e := b.last()
			n := e.PromptTokens
			if cached < 0 {
				cached = (n - 1) / blockTokens * blockTokens
			}
			if e.CachedTokens != cached {
				t.Fatalf("turn %d: %d cached tokens, want %d", turn, e.CachedTokens, cached)
			}
			want := []time.Duration{frontendTime}
			for ctx := cached; ctx < n; ctx += 2048 {
				want[0] += roof.step([]work{{tokens: min(2048, n-ctx), ctx: ctx}})
			}
			for k := 1; k < 40; k++ {
				want = append(want, want[k-1]+roof.step([]work{{tokens: 1, ctx: n + k, decode: true}}))
			}
			if !slices.Equal(s.tokens, want) {
				t.Errorf("turn %d: tokens came at %v, want %v", turn, s.tokens, want)
			}
			if !slices.Equal(e.Tokens, want) {
				t.Errorf("turn %d: the ledger has %v, want %v", turn, e.Tokens, want)
			}
			if e.TTFT != want[0] || e.E2E != want[39] || e.TPOT != (want[39]-want[0])/39 || e.Queue != 0 ||
				e.Prefill != want[0]-frontendTime {
				t.Errorf("turn %d: ledger %+v does not follow from its tokens", turn, e)
			}
			if e.Late != 0 {
				t.Errorf("turn %d: late by %v in virtual time", turn, e.Late)
			}
			if s.usage.Completion != 40 || s.usage.Prompt != n || e.OutputTokens != 40 || s.finish != "length" {
				t.Errorf("turn %d: usage %+v, finish %q, ledger output %d", turn, s.usage, s.finish, e.OutputTokens)
			}
			if n < 2100 {
				t.Errorf("the prompt has %d tokens: not more than one chunk", n)
			}
		}
	})
}

func TestSpeedJitterAndScale(t *testing.T) {
	run := func(cfg Config) []time.Duration {
		var out []time.Duration
		virtual(t, cfg, func(b *bench) {
			b.ask(user("Hello there."), fixed(20))
			out = b.last().Tokens
		})
		return out
	}
	real := run(Config{})
	fast := run(Config{Speed: 4})
	for i := range real {
		if d := real[i] - 4*fast[i]; d > 4*50 || d < -4*50 { // 21 roundings of half a nanosecond, times four
			t.Errorf("token %d at speed 4: %v, want a quarter of %v", i, fast[i], real[i])
		}
	}
	slow := run(Config{Scale: func(elapsed time.Duration, n int) float64 {
		if n != 1 {
			t.Errorf("scale was asked for request %d, want 1", n)
		}
		if elapsed > 50*time.Millisecond {
			return 3
		}
		return 1
	}})
	var steps []float64
	for i := 1; i < len(real); i++ {
		steps = append(steps, float64(slow[i]-slow[i-1])/float64(real[i]-real[i-1]))
	}
	if !(steps[0] == 1 && steps[len(steps)-1] > 2.999 && steps[len(steps)-1] < 3.001) {
		t.Errorf("steps under the hook are %v times the plain ones, want 1 … 3", steps)
	}
	noisy, again, other := run(Config{Jitter: 0.1}), run(Config{Jitter: 0.1}), run(Config{Jitter: 0.1, Seed: 1})
	if !slices.Equal(noisy, again) {
		t.Errorf("equal seeds give %v and %v", noisy, again)
	}
	if slices.Equal(noisy, other) || slices.Equal(noisy, real) {
		t.Errorf("jitter or seed changes nothing")
	}
}

// Two requests at once share the steps: slots decide whether the second one queues.
func TestQueueAndBatch(t *testing.T) {
	both := func(cfg Config) (entries []Entry) {
		virtual(t, cfg, func(b *bench) {
			var wg sync.WaitGroup
			for i := range 2 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					b.ask(user("Hello there, number "+string(rune('a'+i))+"."), fixed(30))
				})
			}
			wg.Wait()
			entries = b.s.Ledger()
		})
		return entries
	}
	one := both(Config{MaxNumSeqs: 1})
	end := one[0].Arrival.Add(one[0].E2E)
	if ready := one[1].Arrival.Add(frontendTime); one[1].Queue != end.Sub(ready) {
		t.Errorf("the second request queued for %v, want %v until the first one ended", one[1].Queue, end.Sub(ready))
	}
	two := both(Config{MaxNumSeqs: 2})
	first := two[0].Arrival.Add(two[0].TTFT)
	if ready := two[1].Arrival.Add(frontendTime); two[1].Queue != first.Sub(ready) {
		t.Errorf("with two slots the second request queued for %v, want %v until the step ended", two[1].Queue,
			first.Sub(ready))
	}
	if two[0].E2E <= one[0].E2E {
		t.Errorf("a second sequence cost the first one nothing: %v and %v", two[0].E2E, one[0].E2E)
	}
	if two[1].E2E >= one[1].E2E {
		t.Errorf("a second slot gained nothing: %v and %v", two[1].E2E, one[1].E2E)
	}
}

// A client that leaves frees its slot at once and is counted as an abort.
func TestDisconnectAborts(t *testing.T) {
	virtual(t, Config{MaxNumSeqs: 1}, func(b *bench) {
		ctx, cancel := context.WithTimeout(b.Context(), 100*time.Millisecond)
		defer cancel()
		body := fields{"stream": true, "messages": user("Hello there."), "max_tokens": 10000, "ignore_eos": true}
		r, err := http.NewRequestWithContext(ctx, "POST", "http://sim/v1/chat/completions", bytes.NewReader(encode(body)))
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines, err := readEvents(res.Body, time.Now())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the stream ended with %v", err)
		}
		time.Sleep(time.Microsecond)
		e := b.last()
		if e.Finish != "abort" || e.OutputTokens == 0 || e.OutputTokens != len(digestEvents(b.T, lines).tokens) ||
			e.Text == "" {
			t.Errorf("finish %q after %d tokens, text %q", e.Finish, e.OutputTokens, e.Text)
		}
		if n := b.s.engine.load(); n != 0 {
			t.Errorf("%d requests are still in the engine", n)
		}
		if used := b.s.engine.cache.used(); used != 0 {
			t.Errorf("%d blocks are still in use", used)
		}
		time.Sleep(time.Second) // the step that ran is over
		if n := b.s.engine.metrics.generated; n != e.OutputTokens {
			t.Errorf("%d tokens counted, %d written", n, e.OutputTokens)
		}
		if n := b.s.engine.metrics.success["abort"]; n != 1 {
			t.Errorf("%d aborts counted", n)
		}
		if s := b.ask(user("Hello there."), fixed(3)); s.finish != "length" {
			t.Errorf("the next request ended with %q", s.finish)
		}
	})
}

// A cache too small for two long replies preempts the later one, which starts over and still ends well.
func TestPreemption(t *testing.T) {
	virtual(t, Config{ContextTokens: 320, KVTokens: 320}, func(b *bench) {
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				b.ask(user("Hello there, number "+string(rune('a'+i))+"."), fixed(250))
			})
		}
		wg.Wait()
		l := b.s.Ledger()
		if l[0].Preemptions != 0 || l[1].Preemptions == 0 {
			t.Errorf("preemptions %d and %d, want none of the first and some of the second", l[0].Preemptions, l[1].Preemptions)
		}
		for _, e := range l {
			if e.OutputTokens != 250 || e.Finish != "length" {
				t.Errorf("request %d ended %q with %d tokens", e.N, e.Finish, e.OutputTokens)
			}
		}
		if got := b.s.engine.metrics.preemptions; got != l[1].Preemptions {
			t.Errorf("metrics count %d preemptions, the ledger %d", got, l[1].Preemptions)
		}
		if used := b.s.engine.cache.used(); used != 0 {
			t.Errorf("%d blocks are still in use", used)
		}
	})
}

func TestCloseEndsRequests(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		done := make(chan Entry)
		go func() {
			_, _ = b.chat(user("Hello there."), fixed(5000)) // ends early, by Close
			done <- b.last()
		}()
		time.Sleep(time.Second)
		b.s.Close()
		if e := <-done; e.Finish != "abort" {
			t.Errorf("finish %q after Close", e.Finish)
		}
	})
}

func TestStartupDelay(t *testing.T) {
	virtual(t, Config{StartupDelay: time.Minute}, func(b *bench) {
		if status, _ := b.text("GET", "/health", nil); status != http.StatusServiceUnavailable {
			t.Errorf("status %d while starting", status)
		}
		time.Sleep(time.Minute)
		if status, _ := b.text("GET", "/health", nil); status != http.StatusOK {
			t.Errorf("status %d after the start", status)
		}
	})
}
