package engine_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/sim"
)

// ledgerOf finds the entry of a request that was under way together with others, which end in another order than they
// came in.
func ledgerOf(t *testing.T, r event.Request, began time.Time, ledger *[]sim.Entry) sim.Entry {
	t.Helper()
	at := slices.IndexFunc(*ledger, func(e sim.Entry) bool {
		return r.Err == nil && e.Arrival.Sub(began) == *r.Sent && e.Text == r.Text && e.TTFT == r.Chunks[0].At-*r.Sent
	})
	if at < 0 {
		t.Fatalf("user %d, %s: the simulator answered no such request: %+v", r.User, r.Step, r.Err)
	}
	out := (*ledger)[at]
	*ledger = slices.Delete(*ledger, at, at+1)
	return out
}

// shared reports how many requests were under way while another one was.
func shared(requests []event.Request) (n int) {
	for i, a := range requests {
		if slices.ContainsFunc(requests[i+1:], func(b event.Request) bool { return *a.Sent < b.Done && *b.Sent < a.Done }) {
			n++
		}
	}
	return n
}

// Users who play together have a connection each, and every figure of their turns is that of the simulator's ledger,
// however much they wait for each other.
func TestTogether_EqualsTheLedger(t *testing.T) {
	for name, c := range map[string]struct {
		run    string
		config sim.Config
		lanes  int
	}{
		"users":                    {"users: 3", sim.Config{}, 3},
		"users in a queue":         {"users: 3", sim.Config{MaxNumSeqs: 1}, 3},
		"users with a salt a talk": {"users: 2, isolation: {scope: conversation}", sim.Config{}, 2},
		"conversations":            {"ramp: 100ms", sim.Config{}, 2},
		"users who think": {"users: 4, ramp: 100ms, think_time: {mean: 300ms, distribution: exponential, seed: 7}",
			sim.Config{MaxNumSeqs: 2}, 4},
		"one user": {"users: 1, ramp: 1s, think_time: 2s", sim.Config{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			file := household("{play: together, repeats: 2, " + c.run + "}")
			plan := load(t, "household.yaml", file, library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, c.config)
				ledger, made := g.ledger(t), 0
				queued := time.Duration(0)
				for _, r := range g.requests() {
					entry := ledgerOf(t, r, g.fold.Started.Started, &ledger)
					queued += entry.Queue
					compareTruth(t, r, entry)
					if !r.Wire.Reused {
						made++
					}
				}
				if made != c.lanes-1 {
					t.Errorf("%d connections were made, want one for each lane, and the first before the turns", made)
				}
				if n := shared(g.requests()); (n > 0) != (c.lanes > 1) {
					t.Errorf("%d requests were under way together", n)
				}
				if queued == 0 && c.config.MaxNumSeqs > 0 {
					t.Error("no request waited for another one")
				}
				allPass(t, g.fold)
			})
		})
	}
}

// A request is due a time to think after the reply before, or when its user begins. The times are drawn from the seed:
// they are the same in another run, and others for another user, repeat or seed.
func TestTogether_Due(t *testing.T) {
	type turn struct {
		repeat, user int
		step         string
	}
	play := func(settings string) map[turn]time.Duration {
		plan := load(t, "household.yaml", household("{play: together, users: 2, warmup: 0, repeats: 2, "+settings+"}"),
			library(t))
		thought := map[turn]time.Duration{}
		synctest.Test(t, func(t *testing.T) {
			var g rig
			g.play(t, plan, sim.Config{})
			ended := map[int]time.Duration{}
			for _, r := range g.requests() {
				if r.Step != "boat_one" {
					thought[turn{r.Repeat, r.User, r.Step}] = r.Due - ended[r.User]
				} else if r.User == 2 {
					thought[turn{r.Repeat, r.User, r.Step}] = r.Due
				}
				if *r.Sent != r.Due {
					t.Errorf("user %d, %s: due at %v and sent at %v", r.User, r.Step, r.Due, *r.Sent)
				}
				ended[r.User] = r.Done
			}
			look := g.fold.Cells[0].Lookup("scenario", 0, "", "")
			var sum float64
			for _, r := range g.fold.Cells[0].Measured(metrics.Group{Conversation: "boats"}) {
				sum += event.Milliseconds(r.Done - *r.Sent)
			}
			if total := look("conversations.boats.total_ms.mean"); total.V != any(sum/2) {
				t.Errorf("total_ms is %v (%s), want %v: the time to think is not part of it", total.V, total.Why, sum/2)
			}
		})
		return thought
	}
	second := turn{1, 2, "boat_two"}
	fixed := play("think_time: 3s, ramp: 10s")
	if fixed[second] != 3*time.Second || fixed[turn{2, 1, "pump_one"}] != 3*time.Second {
		t.Errorf("thought %v, want 3s each", fixed)
	}
	drawn := "think_time: {mean: 3s, distribution: exponential, seed: %d}"
	one, again, other := play(fmt.Sprintf(drawn, 1)), play(fmt.Sprintf(drawn, 1)), play(fmt.Sprintf(drawn, 2))
	for at := range one {
		if at.step == "boat_one" {
			continue
		}
		if one[at] != again[at] || one[at] == other[at] || one[at] <= 0 {
			t.Errorf("%v: thought %v and %v with one seed, %v with another", at, one[at], again[at], other[at])
		}
	}
	if one[second] == one[turn{1, 1, "boat_two"}] || one[second] == one[turn{2, 2, "boat_two"}] {
		t.Errorf("users and repeats think the same times: %v", one)
	}
}

// The users of a ramp begin one after another within its time.
func TestTogether_Ramp(t *testing.T) {
	plan := load(t, "household.yaml", household("{play: together, users: 4, warmup: 0, repeats: 1, ramp: 8s}"), library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.play(t, plan, sim.Config{})
		var due []time.Duration
		for _, r := range g.fold.Cells[0].Measured(metrics.Group{Step: "boat_one", Conversation: "boats"}) {
			due = append(due, r.Due)
		}
		for i := range due {
			if due[i] != due[0]+time.Duration(i)*2*time.Second {
				t.Fatalf("the users begin at %v", due)
			}
		}
		if len(due) != 4 {
			t.Errorf("%d users begin", len(due))
		}
	})
}

// A client that is late sends late, and that shows: the request was due when its user had thought, so that its latency
// from then on holds the delay. What the server is measured by does not.
func TestTogether_LateClient(t *testing.T) {
	plan := load(t, "household.yaml", household("{play: together, users: 2, warmup: 0, repeats: 1, think_time: 10ms}"),
		library(t))
	synctest.Test(t, func(t *testing.T) {
		var g rig
		g.front = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/tokenize" { // the client waits for it before it sends
					time.Sleep(time.Second)
				}
				next.ServeHTTP(w, r)
			})
		}
		g.play(t, plan, sim.Config{})
		ledger := g.ledger(t)
		value := func(name string, r *event.Request) any {
			d, _ := metrics.Lookup(name)
			return d.Each(g.fold.Cells[0], r).V
		}
		for _, r := range g.requests() {
			truth := ledgerOf(t, r, g.fold.Started.Started, &ledger)
			late := event.Milliseconds(*r.Sent - r.Due)
			if r.Step == "boat_one" {
				continue
			}
			if late < 990 || value("dispatch_delay_ms", &r) != any(late) ||
				value("ttft_ms", &r) != any(event.Milliseconds(truth.TTFT)) ||
				value("e2e_due_ms", &r) != any(event.Milliseconds(r.Chunks[len(r.Chunks)-1].At-r.Due)) {
				t.Errorf("%s: sent %v ms late, and e2e_due_ms is %v", r.Step, late, value("e2e_due_ms", &r))
			}
		}
	})
}

// What cannot be told of requests that are under way together is unknown, with its reason.
func TestTogether_Unknown(t *testing.T) {
	of := func(isolation string, config sim.Config) (g *rig, plan *dsl.Plan) {
		g = &rig{}
		plan = load(t, "household.yaml", household("{play: together, users: 2, warmup: 0, repeats: 1"+isolation+"}"),
			library(t))
		synctest.Test(t, func(t *testing.T) { g.play(t, plan, config) })
		return g, plan
	}
	why := func(g *rig, name string) string {
		d, _ := metrics.Lookup(name)
		r := g.requests()[3]
		v := d.Each(g.fold.Cells[0], &r)
		return v.Why
	}
	g, _ := of("", sim.Config{})
	if got := why(g, "prefill_tps"); !strings.Contains(got, "other requests were under way") {
		t.Errorf("prefill_tps: %q", got)
	}
	const counters = "the server's counters count the requests of all users together"
	if got := why(g, "server.queue_ms"); got != counters {
		t.Errorf("server.queue_ms: %q", got)
	}
	if g, _ := of("", sim.Config{NoCachedUsage: true}); why(g, "cache.hit_rate") != counters {
		t.Errorf("the hit rate by counters: %q", why(g, "cache.hit_rate"))
	}
	for _, isolation := range []string{", isolation: {scope: repeat}", ", isolation: {cache: none}",
		", isolation: {cache: reset, scope: repeat}"} {
		g, plan := of(isolation, sim.Config{})
		if got := why(g, "cache.reusable_rate"); got != dsl.Race {
			t.Errorf("%s: the ceiling: %q", isolation, got)
		}
		if turn := plan.Cells[0].Turns[3]; turn.Known {
			t.Errorf("%s: the plan says what can be reused of turn %+v", isolation, turn)
		}
		if verdict, _, reason := g.fold.Outcome(); verdict != "pass" {
			t.Errorf("%s: %s: %s", isolation, verdict, reason)
		}
	}
}

// The users are no foreign traffic to each other, and their failures are none. A guest is, though only for a whole
// pass.
func TestTogether_Traffic(t *testing.T) {
	for name, c := range map[string]struct {
		faults []sim.Fault
		failed bool
		want   []string // beginnings of the notes
	}{
		"nobody else": {},
		"a user whose request breaks off": {failed: true, faults: []sim.Fault{
			{Kind: "reset", Token: 2, Prompt: "leak", Times: 1}}},
		"a guest": {faults: []sim.Fault{{Kind: "guest", Prompt: "leak", Count: 300, Times: 1}},
			want: []string{"repeat 1: the server also worked for another client: 1 request ended (300 prompt tokens, 8 output " +
				"tokens); "}},
		"a guest in every repeat": {faults: []sim.Fault{{Kind: "guest", Prompt: "leak", Count: 300}},
			want: []string{"repeat 1: the server also worked for another client: 9 requests ended (2700 prompt tokens, ",
				"2 of 2 passes shared the server with other clients: in all 18 requests ended "}},
	} {
		t.Run(name, func(t *testing.T) {
			file := household("{play: together, users: 3, warmup: 0, repeats: 2}")
			file = bytes.ReplaceAll(file, []byte("steps:"), []byte("history: recorded\n    steps:"))
			file = bytes.ReplaceAll(file, []byte("?}"), []byte("?, reply: A reply.}"))
			plan := load(t, "household.yaml", file, library(t))
			synctest.Test(t, func(t *testing.T) {
				var g rig
				g.play(t, plan, sim.Config{Faults: c.faults})
				got := notesOf(g.fold, "foreign_traffic")
				if len(got) != len(c.want) {
					t.Fatalf("notes %+v, want %q", got, c.want)
				}
				for i, n := range got {
					if !strings.HasPrefix(n.Text, c.want[i]) {
						t.Errorf("note %q, want %q", n.Text, c.want[i])
					}
				}
				failed := slices.ContainsFunc(g.requests(), func(r event.Request) bool { return r.Err != nil })
				if failed != c.failed || len(g.requests()) != 2*3*5 {
					t.Errorf("%d requests, some failed: %v", len(g.requests()), failed)
				}
			})
		})
	}
}
