//go:build unix

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/sim"
)

// faultPlan gives every request two seconds, so that a server that hangs is noticed soon.
var faultPlan = strings.NewReplacer("defaults:\n", "defaults:\n  timeout: 2s\n", "n: [1, 2, 3]",
	"n: [1]").Replace(crashPlan)

// outcome is the expected result of a fault: class of errors, code of notes, exit code, and how many requests the
// journal has and how many of them failed.
type outcome struct {
	classes string
	notes   string
	code    int
	kept    int
	failed  int
}

// fault is a row of the matrix. The preflights are left alone: what is shown is a server that goes
// wrong in the middle of a run.
type fault struct {
	name, doc string
	fault     sim.Fault
	speed     float64                         // of the simulator; 0: 40
	wrap      func(http.Handler) http.Handler // what stands before the simulator; nil: nothing
	want      outcome
}

// broken is the outcome of a turn in three that fails: it ends its conversation, so that of the six
// requests one is never sent.
func broken(class string) outcome { return outcome{class, "", exit.Requests, 5, 1} }

var fine = outcome{"", "", exit.Pass, 6, 0}

func noted(code string) outcome { return outcome{"", code, exit.Pass, 6, 0} }

const second = sim.Duration(time.Second)

// faults is the matrix of faults and their outcomes. docs/faults.md is written from it; a run with another outcome
// fails the test.
var faults = []fault{
	{name: "status 400", fault: sim.Fault{Kind: "status", Status: 400}, want: broken("bad_request")},
	{name: "status 401", fault: sim.Fault{Kind: "status", Status: 401}, want: broken("unauthorized")},
	{name: "status 404", fault: sim.Fault{Kind: "status", Status: 404}, want: broken("model_not_found")},
	{name: "status 429", fault: sim.Fault{Kind: "status", Status: 429}, want: broken("overloaded")},
	{name: "status 500", fault: sim.Fault{Kind: "status", Status: 500}, want: broken("server_error")},
	{name: "status 503", fault: sim.Fault{Kind: "status", Status: 503}, want: broken("overloaded")},
	{fault: sim.Fault{Kind: "html"}, want: broken("protocol")},
	{fault: sim.Fault{Kind: "delay", Delay: 3 * second}, want: broken("timeout")},
	{fault: sim.Fault{Kind: "hang"}, want: broken("timeout")},
	{name: "trickle (slow loris)", fault: sim.Fault{Kind: "trickle"}, want: broken("timeout")},
	{fault: sim.Fault{Kind: "error"}, want: broken("server_error")},
	{fault: sim.Fault{Kind: "eof"}, want: broken("truncated")},
	{name: "cut (partial frame)", fault: sim.Fault{Kind: "cut"}, want: broken("truncated")},
	{fault: sim.Fault{Kind: "reset"}, want: broken("reset")},
	{name: "crash (and gone)", fault: sim.Fault{Kind: "crash"}, want: outcome{"connect, reset", "metrics_unreadable",
		exit.Environment, 4, 2}},
	{fault: sim.Fault{Kind: "malformed"}, want: broken("protocol")},
	{fault: sim.Fault{Kind: "oversized"}, want: fine},
	{fault: sim.Fault{Kind: "split_utf8"}, want: fine},
	{fault: sim.Fault{Kind: "coalesce"}, want: fine},
	{fault: sim.Fault{Kind: "bundle"}, want: fine},
	{fault: sim.Fault{Kind: "buffer"}, speed: 1, want: noted("buffered")},
	{fault: sim.Fault{Kind: "late_end"}, want: fine},
	{fault: sim.Fault{Kind: "whole_reasoning"}, want: fine},
	{fault: sim.Fault{Kind: "hidden_reasoning"}, want: fine},
	{fault: sim.Fault{Kind: "role_early"}, want: fine},
	{fault: sim.Fault{Kind: "no_usage"}, want: fine},
	{fault: sim.Fault{Kind: "no_done"}, want: fine},
	{name: "cached (lying usage)", fault: sim.Fault{Kind: "cached", Count: 7},
		want: outcome{"", "", exit.Environment, 4, 0}},
	{name: "usage (wrong usage)", fault: sim.Fault{Kind: "usage", Count: 3}, want: noted("usage_wrong")},
	{name: "counters (lying counters)", fault: sim.Fault{Kind: "counters"}, want: outcome{"", "", exit.Environment, 4, 0}},
	{name: "counters, of second turns", fault: sim.Fault{Kind: "counters", Every: 2}, want: noted("disagreement")},
	{fault: sim.Fault{Kind: "no_metrics"}, want: noted("metrics_unreadable")},
	{name: "restart (counters begin anew)", fault: sim.Fault{Kind: "restart"}, want: noted("server_restarted")},
	{fault: sim.Fault{Kind: "no_tools"}, want: fine},
	{name: "swap (another model)", fault: sim.Fault{Kind: "swap", Body: "another-model"},
		want: outcome{"", "model_swapped", exit.Environment, 4, 0}},
	{name: "truncate (context cut in silence)", fault: sim.Fault{Kind: "truncate", Count: 24, Every: 1},
		want: noted("context_truncated")},
	{name: "skew (clock)", fault: sim.Fault{Kind: "skew", Delay: 3600 * second}, want: fine},
	{name: "guest (another user)", fault: sim.Fault{Kind: "guest"}, want: noted("foreign_traffic")},
	{name: "port stolen before the first request",
		doc:   "be replaced by a web server between the readiness check and the first request",
		fault: sim.Fault{Kind: "no_done"}, wrap: stolen(""), want: outcome{"protocol", "metrics_unreadable", exit.Requests, 3,
			3}},
	{name: "port stolen after the preflight", doc: "be replaced by a web server before the first request of the scenario",
		fault: sim.Fault{Kind: "no_done"}, wrap: stolen("number 1"), want: outcome{"protocol", "metrics_unreadable",
			exit.Requests, 3, 3}},
	{name: "status 500, 1 % of requests", fault: sim.Fault{Kind: "status", Status: 500, Share: 0.01}, want: fine},
	{name: "status 500, 50 % of requests", fault: sim.Fault{Kind: "status", Status: 500, Share: 0.5},
		want: outcome{"server_error", "", exit.Requests, 5, 2}},
	{name: "status 500, 100 % of requests", fault: sim.Fault{Kind: "status", Status: 500, Share: 1},
		want: outcome{"server_error", "", exit.Requests, 3, 3}},
}

// ready completes the rows.
func ready() []fault {
	out := slices.Clone(faults)
	for i := range out {
		f := &out[i]
		f.fault.Prompt, f.fault.Token = "number 1", 3
		if f.fault.Every == 0 && f.fault.Share == 0 {
			f.fault.Every = 3
		}
		if f.name == "" {
			f.name = f.fault.Kind
		}
		for _, k := range sim.Kinds {
			if k.Name == f.fault.Kind && f.doc == "" {
				f.doc = k.Doc
			}
		}
		if f.fault.Share > 0 {
			f.doc = "a part of all requests fails"
		}
	}
	return out
}

// Every kind of fault has a row.
func TestFaults_AreComplete(t *testing.T) {
	for _, k := range sim.Kinds {
		if !slices.ContainsFunc(faults, func(f fault) bool { return f.fault.Kind == k.Name }) {
			t.Errorf("fault %s has no row", k.Name)
		}
	}
}

// stolen answers as another program's web server would, from the first prompt that contains a text.
func stolen(text string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var taken atomic.Bool
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/completions") {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return // the client has gone
				}
				if bytes.Contains(body, []byte(text)) {
					taken.Store(true)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
			}
			if !taken.Load() {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<html><head><title>A wiki</title></head><body>No such page</body></html>")
		})
	}
}

// docs is the page that the rows make.
func faultsPage() string {
	var b strings.Builder
	b.WriteString(`# What each fault leads to

Written by ` + "`go test ./cmd/homellm -run TestFaults_Doc -update`" + ` from the table of
expectations of the tests for every fault: a small scenario (one cell, one warm-up and two repeats of two turns,
so six requests if none fails; a failed turn ends its conversation) is played against the simulator with one fault,
which hits every third request unless it says otherwise; once by the program as a process over real sockets, once in
virtual time against the simulator as a handler. Both must give the same result. (Without the race detector the process
plays the faults of connections, and one of each exit code and of each class of errors.) Everything that was seen is in
the journal in every row, and reports are written.

| fault | what the server does | error classes | noted as | exit code | requests kept | of them failed |
|---|---|---|---|---|---|---|
`)
	or := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	for _, f := range ready() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %d | %d |\n", f.name, f.doc, or(f.want.classes), or(f.want.notes),
			f.want.code, f.want.kept, f.want.failed)
	}
	return b.String()
}

func TestFaults_Doc(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "faults.md")
	if *update {
		if err := os.WriteFile(path, []byte(faultsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != faultsPage() {
		t.Error("docs/faults.md is out of date; -update writes it anew")
	}
}

// came returns the outcome that a run's events show.
func came(code int, events []event.Event, want outcome) outcome {
	out := outcome{code: code}
	var classes, notes []string
	add := func(to *[]string, what string) {
		if !slices.Contains(*to, what) {
			*to = append(*to, what)
		}
	}
	for _, e := range events {
		if r, ok := e.Body.(event.Request); ok {
			out.kept++
			if r.Err != nil {
				out.failed++
				add(&classes, r.Err.Class)
			}
		}
		n, ok := e.Body.(event.Note)
		late := n.Code == "disagreement" && strings.Contains(n.Text, "_ms")
		if ok && !late && (!loud[n.Code] || n.Code == want.notes) {
			add(&notes, n.Code)
		}
	}
	slices.Sort(classes)
	slices.Sort(notes)
	out.classes, out.notes = strings.Join(classes, ", "), strings.Join(notes, ", ")
	return out
}

// loud are notes that a busy machine brings about, whatever the server does.
var loud = map[string]bool{"unsteady": true, "indistinct": true, "uncalibrated": true, "estimated": true,
	"buffered": true, "unexplained": true}

// ofConnections are the kinds of faults that need real connections: they wait, end, or split what is sent. The others
// change only the contents of a reply, which is the same in memory.
var ofConnections = []string{"delay", "hang", "trickle", "eof", "cut", "reset", "crash", "oversized", "split_utf8",
	"coalesce", "bundle", "buffer"}

// TestFaults_Process plays faults against the program as a process, several at a time, since most of them wait:
// those of connections, and one of each exit code and of each class of errors.
func TestFaults_Process(t *testing.T) {
	t.Parallel()
	long(t)
	var wg sync.WaitGroup
	turn := make(chan struct{}, 6)
	seen := map[string]bool{}
	for _, f := range ready() {
		result := fmt.Sprint(f.want.code, f.want.classes)
		if seen[result] && f.wrap == nil && !slices.Contains(ofConnections, f.fault.Kind) {
			continue
		}
		seen[result] = true
		var hs *httptest.Server
		hs = httptest.NewServer(f.handler(t, func() {
			hs.Listener.Close()
			go hs.CloseClientConnections() // it waits for the request that calls this
		}))
		t.Cleanup(func() {
			hs.CloseClientConnections()
			hs.Close()
		})
		url := hs.URL + "/v1"
		p := newProgram(t, map[string]string{"fault.yaml": faultPlan})
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			code, _, stderr := p.run("apply", "fault.yaml", "--url", url, "--out", "run", "--quiet")
			events := eventsOf(t, filepath.Join(p.dir, "run", "journal.jsonl"))
			if got := came(code, events, f.want); got != f.want {
				t.Errorf("%s:\n got %+v\nwant %+v\n%s", f.name, got, f.want, stderr)
				for _, e := range events {
					if n, ok := e.Body.(event.Note); ok {
						t.Logf("%s: %s: %s", f.name, n.Code, n.Text)
					}
				}
			}
			for _, name := range []string{"result.json", "turns.csv", "report.html", "junit.xml"} {
				if info, err := os.Stat(filepath.Join(p.dir, "run", name)); err != nil || info.Size() == 0 {
					t.Errorf("%s: no %s: %v", f.name, name, err)
				}
			}
		})
	}
	wg.Wait()
}

// handler is a simulator with the fault. Down is how it vanishes, once it has crashed.
func (f fault) handler(t *testing.T, down func()) http.Handler {
	t.Helper()
	config := sim.Config{Speed: cmp.Or(f.speed, 40), Crash: down}
	if f.fault.Kind != "" {
		config.Faults = []sim.Fault{f.fault}
	}
	s, err := sim.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if f.wrap != nil {
		return f.wrap(s)
	}
	return s
}

func eventsOf(t *testing.T, journal string) (out []event.Event) {
	t.Helper()
	f, err := os.Open(journal)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer f.Close()
	for e, err := range event.Read(f) {
		if err != nil {
			t.Error(err)
			return out
		}
		out = append(out, e)
	}
	return out
}
