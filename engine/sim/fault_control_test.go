package sim

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWhichRequestsFail(t *testing.T) {
	failed := func(f Fault) (out []int) {
		f.Kind, f.Status = "status", 500
		virtual(t, Config{Faults: []Fault{f}}, func(b *bench) {
			for i := range 60 {
				model, prompt := b.s.served[i%2], "Hi"
				if i%3 == 0 {
					prompt = "special"
				}
				if status, _ := b.text("POST", "/v1/chat/completions", fields{"model": model, "messages": user(prompt),
					"max_tokens": 1}); status == 500 {
					out = append(out, i+1)
				}
			}
			for i, e := range b.s.Ledger() {
				if slices.Contains(out, i+1) != (len(e.Faults) == 1) {
					t.Errorf("the ledger's request %d has the faults %v", e.N, e.Faults)
				}
			}
		})
		return out
	}
	if got := failed(Fault{}); len(got) != 60 {
		t.Errorf("no selector: %v", got)
	}
	if got := failed(Fault{Requests: []int{2, 5}}); !slices.Equal(got, []int{2, 5}) {
		t.Errorf("by number: %v", got)
	}
	if got := failed(Fault{Every: 20}); !slices.Equal(got, []int{20, 40, 60}) {
		t.Errorf("every: %v", got)
	}
	if got := failed(Fault{Model: "qwen2.5-3b", Prompt: "special", Every: 5}); !slices.Equal(got, []int{28, 58}) {
		t.Errorf("by model and prompt, every fifth: %v", got)
	}
	if got := failed(Fault{Times: 2}); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("times: %v", got)
	}
	some := failed(Fault{Share: 0.5})
	if len(some) < 15 || len(some) > 45 || !slices.Equal(some, failed(Fault{Share: 0.5})) {
		t.Errorf("share: %v", some)
	}
}

func TestConfigureOverHTTP(t *testing.T) {
	virtual(t, Config{}, func(b *bench) {
		b.ask(user("Hi"), nil)
		status, body := b.text("POST", "/sim/config", fields{"clear_ledger": true,
			"faults": []fields{{"kind": "hang", "token": 1, "delay": "250ms"}}})
		if want := `{"faults":[{"kind":"hang","token":1,"delay":"250ms"}]}`; status != 200 || body != want {
			t.Errorf("%d %s, want %s", status, body, want)
		}
		if n := len(b.s.Ledger()); n != 0 {
			t.Errorf("%d entries after clearing", n)
		}
		s := b.ask(user("Hi"), fixed(2))
		if d := s.tokens[1] - s.tokens[0]; d != 250*time.Millisecond {
			t.Errorf("the hang took %v", d)
		}
		for _, bad := range []fields{
			{"fault": []fields{}}, {"faults": []fields{{"kind": "hang", "delay": 5}}}, {"faults": []fields{{"kind": "delay"}}},
			{"faults": []fields{{"kind": "status", "status": 200}}}, {"faults": []fields{{"kind": "eof", "share": 2}}},
			{"faults": []fields{{"kind": "eof", "every": -1}}},
		} {
			if status, body := b.text("POST", "/sim/config", bad); status != 400 {
				t.Errorf("%v: %d %s", bad, status, body)
			}
		}
		var page struct{ Entries []Entry }
		_, text := b.text("GET", "/sim/ledger", nil)
		if err := json.Unmarshal([]byte(text), &page); err != nil || len(page.Entries) != 1 ||
			page.Entries[0].TTFT != s.tokens[0] {
			t.Errorf("ledger: %v, %s", err, text)
		}
	})
}

func TestLedgerKeepsTheLatest(t *testing.T) {
	virtual(t, Config{LedgerEntries: 3}, func(b *bench) {
		for range 5 {
			b.ask(user("Hi"), fixed(1))
		}
		var n []int
		for _, e := range b.s.Ledger() {
			n = append(n, e.N)
		}
		if !slices.Equal(n, []int{3, 4, 5}) {
			t.Errorf("requests %v, want 3 4 5", n)
		}
	})
}

// Over a real socket a reset is a reset, and the ledger says how late the chunks were.
func TestRealSocket(t *testing.T) {
	s, err := New(Config{Speed: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	ask := func() (seen, time.Duration, error) {
		body := fixed(20)
		body["messages"], body["stream"] = user("Hello there."), true
		r, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/v1/chat/completions",
			strings.NewReader(string(encode(body))))
		if err != nil {
			t.Fatal(err)
		}
		sent := time.Now()
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines, err := readEvents(res.Body, sent)
		return digestEvents(t, lines), time.Since(sent), err
	}
	got, took, err := ask()
	e := s.Ledger()[0]
	if err != nil || !got.done || len(got.tokens) != 20 {
		t.Errorf("err %v, %+v", err, got)
	}
	if e.Late <= 0 {
		t.Errorf("no chunk was late over a real socket: %v", e.Late)
	}
	// Nothing comes early. How late it may come depends on what else the machine does.
	if got.tokens[0] < e.TTFT || took < e.E2E {
		t.Errorf("tokens at %v and %v, before the ledger's %v and %v", got.tokens[0], took, e.TTFT, e.E2E)
	}
	// The schedule is the one of virtual time: no late wake-up has moved it.
	virtual(t, Config{Speed: 10}, func(b *bench) {
		b.ask(user("Hello there."), fixed(20))
		if want := b.last().Tokens; !slices.Equal(e.Tokens, want) {
			t.Errorf("the ledger has %v, want %v", e.Tokens, want)
		}
	})
	if err := s.setFaults(Fault{Kind: "reset", Token: 5}); err != nil {
		t.Fatal(err)
	}
	got, _, err = ask()
	if !errors.Is(err, syscall.ECONNRESET) || len(got.tokens) > 5 {
		t.Errorf("err %v after %d tokens, want a reset after 5 at most", err, len(got.tokens))
	}
}
