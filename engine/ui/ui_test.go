package ui

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/results"
)

const (
	token = "0123456789abcdef"
	host  = "127.0.0.1:8700"
)

// writing is a run whose journal is being written.
type writing struct {
	t  *testing.T
	j  *event.Journal
	at time.Duration
}

func (w *writing) add(cell string, b event.Body) {
	w.t.Helper()
	w.at += time.Millisecond
	if err := w.j.Append(event.Event{Seq: w.j.Seq() + 1, At: w.at, Cell: cell, Body: b}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *writing) turn(repeat int) {
	q := event.Request{Repeat: repeat, Conversation: "main", Step: "hello", Turn: 1, Phase: "before"}
	q.Due, q.Sent, q.Done, q.Text = w.at, new(w.at), w.at+100*time.Millisecond, "x"
	q.Chunks = []event.Chunk{{At: w.at + 50*time.Millisecond, Channel: event.Answer, Bytes: 1}}
	w.at = q.Done
	w.add("x", q)
}

// begin begins a run of two repeats of one turn.
func begin(t *testing.T, dir, name, scenario string, day int) *writing {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	j, err := event.Create(filepath.Join(dir, name, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	w := &writing{t: t, j: j}
	w.add("", event.RunStarted{Version: event.Version, ID: fmt.Sprintf("id%d", day),
		Started: time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC),
		Scenario: event.Scenario{Name: scenario, Repeats: 2, ErrorBudget: 1,
			Conversations: []event.Conversation{{ID: "main", Steps: []event.Step{{ID: "hello", Turns: 1}}}}}})
	w.add("x", event.CellPlanned{Labels: []event.Label{{Name: "server", Value: "lab"}}, Turns: 1})
	w.add("x", event.CellStarted{Attempt: 1, Server: event.Server{Engine: "vllm", Model: "m"}})
	return w
}

func (w *writing) end() {
	w.add("x", event.CellDone{})
	w.add("", event.RunDone{})
	if err := w.j.Close(); err != nil {
		w.t.Fatal(err)
	}
}

func played(t *testing.T, dir, name, scenario string, day int) {
	t.Helper()
	w := begin(t, dir, name, scenario, day)
	w.turn(1)
	w.turn(2)
	w.end()
}

func serve(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := New(t.Context(), results.Runs{Dir: dir, Skipped: func(err error) { t.Log(err) }}, token, []string{host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask requests a path below the token.
func ask(t *testing.T, s *Server, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/"+token+"/"+path, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func page(t *testing.T, s *Server, path string) string {
	t.Helper()
	w := ask(t, s, path)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// TestServer_Refuses requests without the token, for another host, with another method, or for something that is not a
// run.
func TestServer_Refuses(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "results")
	played(t, dir, "one", "s", 1)
	played(t, parent, "outside", "s", 1)
	s := serve(t, dir)
	for name, c := range map[string]struct {
		path   string
		change func(*http.Request)
		want   int
	}{
		"no token":      {"", func(r *http.Request) { r.URL.Path = "/" }, 404},
		"half a token":  {"", func(r *http.Request) { r.URL.Path = "/" + token[:8] }, 404},
		"another token": {"", func(r *http.Request) { r.URL.Path = "/" + strings.Repeat("0", len(token)) + "/" }, 404},
		"rebound name":  {"", func(r *http.Request) { r.Host = "evil.example:8700" }, 403},
		"another port":  {"", func(r *http.Request) { r.Host = "127.0.0.1:80" }, 403},
		"no host":       {"", func(r *http.Request) { r.Host = "" }, 403},
		"post":          {"", func(r *http.Request) { r.Method = http.MethodPost }, 405},
		"delete":        {"run?name=one", func(r *http.Request) { r.Method = http.MethodDelete }, 405},
		"no page":       {"journal.jsonl", nil, 404},
		"parent":        {"run?name=" + url.QueryEscape("../outside"), nil, 404},
		"absolute":      {"run?name=" + url.QueryEscape(filepath.Join(parent, "outside")), nil, 404},
		"itself":        {"run?name=.", nil, 404},
		"nothing":       {"run", nil, 404},
		"half a pair":   {"diff?old=one", nil, 404},
		"no scenario":   {"history?scenario=other", nil, 404},
	} {
		change := c.change
		if change == nil {
			change = func(*http.Request) {}
		}
		w := ask(t, s, c.path, change)
		if w.Code != c.want || strings.Contains(w.Body.String(), "<html") {
			t.Errorf("%s: %d, want %d: %.200s", name, w.Code, c.want, w.Body)
		}
	}
	w := ask(t, s, "run?name=one")
	for name, want := range headers {
		if got := w.Header().Get(name); w.Code != 200 || got != want {
			t.Errorf("%d %s: %q", w.Code, name, got)
		}
	}
	if body := w.Body.String(); !strings.Contains(body, "default-src &#39;none&#39;") &&
		!strings.Contains(body, "default-src 'none'") {
		t.Error("the page has no policy")
	}
}

// TestServer_Lists checks the filtered list of runs and its links.
func TestServer_Lists(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		played(t, dir, fmt.Sprint("run-", i+1), []string{"chat", "rag", "chat"}[i], i+1)
	}
	s := serve(t, dir)
	all := page(t, s, "")
	if n := strings.Count(all, `href="run?name=run-`); n != 3 {
		t.Errorf("%d runs are listed", n)
	}
	if !strings.Contains(all, `name="new" value="run-3" aria-label="run-3 as the new run" checked`) ||
		!strings.Contains(all, `name="old" value="run-1" aria-label="run-1 as the old run" checked`) {
		t.Error("the newest run and the one before it of its scenario are not chosen")
	}
	for filter, want := range map[string]int{"q=RUN-2": 1, "scenario=chat": 2, "verdict=fail": 0, "q=lab": 3,
		"q=nothing": 0, "scenario=chat&q=run-3": 1} {
		if n := strings.Count(page(t, s, "?"+filter), `href="run?name=run-`); n != want {
			t.Errorf("%s: %d runs, want %d", filter, n, want)
		}
	}
	one := page(t, s, "run?name=run-3")
	for _, want := range []string{`href="."`, `href="history?scenario=chat"`, `href="diff?new=run-3&amp;old=run-1"`,
		"<h1>"} {
		if !strings.Contains(one, want) {
			t.Errorf("the page of a run lacks %q", want)
		}
	}
	if strings.Contains(one, "live-pause") && strings.Contains(one, `id="live"`) {
		t.Error("a run that has ended is shown as being played")
	}
	both := page(t, s, "diff?old=run-1&new=run-3")
	if !strings.Contains(both, "all values") || !strings.Contains(both, `href="diff?new=run-1&amp;old=run-3"`) {
		t.Error("two runs are not side by side")
	}
	over := page(t, s, "history?scenario=chat&metric=phases.before.ttft_ms")
	if strings.Count(over, "<figure") != 1 || !strings.Contains(over, "<option selected>phases.before.ttft_ms") {
		t.Error("one figure of a history is not shown alone")
	}
	if over := page(t, s, "history?scenario=chat"); strings.Count(over, "<figure") < 2 {
		t.Error("a history has no charts")
	}
	played(t, dir, "run-4", "chat", 4)
	if n := strings.Count(page(t, s, ""), `href="run?name=run-`); n != 4 {
		t.Errorf("%d runs with one that came later", n)
	}
}

// TestServer_FollowsARun: the page of a run that is being played shows what was written so far, and refreshes itself
// until the run ends.
func TestServer_FollowsARun(t *testing.T) {
	dir := t.TempDir()
	w := begin(t, dir, "now", "s", 1)
	s := serve(t, dir)
	for i := range 2 {
		w.turn(i + 1)
		got := page(t, s, "run?name=now")
		want := fmt.Sprintf("%d of 2 turns; lab x m, repeat %d: main/hello was answered", i+1, i+1)
		if !strings.Contains(got, want) || !strings.Contains(got, "RUNNING") || !strings.Contains(got, "connect-src") {
			_, said, _ := strings.Cut(got, `id="live-text" role="status">`)
			t.Errorf("after %d turns the page lacks %q: %.120s", i+1, want, said)
		}
		if strings.Contains(got, "interrupted") {
			t.Error("a run that goes on was interrupted")
		}
	}
	if got := page(t, s, ""); !strings.Contains(got, `<span class="chip unknown">running</span>`) {
		t.Error("the list does not say that it is running")
	}
	w.end()
	if got := page(t, s, "run?name=now"); strings.Contains(got, `id="live"`) || strings.Contains(got, "RUNNING") {
		t.Error("a run that has ended goes on")
	}
	cut := begin(t, dir, "cut", "s", 2)
	cut.turn(1)
	if err := cut.j.Close(); err != nil {
		t.Fatal(err)
	}
	if got := page(t, s, ""); !strings.Contains(got, `<span class="chip unknown">not finished</span>`) {
		t.Error("the list does not tell a run that was cut off")
	}
	if got := page(t, s, "run?name=cut"); strings.Contains(got, `id="live"`) || !strings.Contains(got, "INTERRUPTED") {
		t.Error("a run that was cut off goes on")
	}
}

// TestServer_HostileNames: names of folders and scenarios are shown as text and have no other effect.
func TestServer_HostileNames(t *testing.T) {
	dir := t.TempDir()
	names := []string{`<img src=x onerror=alert(1)>`, `"><svg onload=alert(1)>`, `javascript:alert(1)`, `a&b=c#d?e%2e%2e`,
		"..%2fup", "new\u202eline", "{{.}}", "' onmouseover='alert(1)"}
	for i, name := range names {
		played(t, dir, name, name, i+1)
	}
	s := serve(t, dir)
	list := page(t, s, "?q="+url.QueryEscape(`"><script>alert(1)</script>`)) + page(t, s, "")
	for _, name := range names {
		list += page(t, s, to("run", "name", name)) + page(t, s, to("history", "scenario", name)) +
			page(t, s, to("diff", "old", name, "new", names[0]))
	}
	for _, bad := range []string{"<img", "<svg onload", `href="javascript:`, "<script>alert", "\u202e", `" onmouseover`,
		"' onmouseover='"} {
		if strings.Contains(list, bad) {
			t.Errorf("a page holds %q", bad)
		}
	}
}

// TestFolds_KeepsFew: looking at many runs keeps only a few of them open.
func TestFolds_KeepsFew(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir)
	for i := range mostFolds + 3 {
		played(t, dir, fmt.Sprint("run-", i), "s", i+1)
		page(t, s, fmt.Sprint("run?name=run-", i))
	}
	if n := len(s.folds.open); n != mostFolds {
		t.Errorf("%d runs are kept", n)
	}
	page(t, s, "run?name=run-0")
	if err := os.RemoveAll(filepath.Join(dir, "run-0")); err != nil {
		t.Fatal(err)
	}
	played(t, dir, "run-0", "another", 20)
	if !strings.Contains(page(t, s, "run?name=run-0"), "another") {
		t.Error("a run that took the name of one that was removed is shown as that")
	}
	if err := os.Truncate(filepath.Join(dir, "run-0", "journal.jsonl"), 10); err != nil {
		t.Fatal(err)
	}
	if w := ask(t, s, "run?name=run-0"); w.Code != http.StatusNotFound {
		t.Errorf("a journal that was cut to nothing: %d %.100s", w.Code, w.Body)
	}
}
