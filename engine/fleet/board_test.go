package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func box(name string, profiles ...string) Box {
	return Box{Name: name, Key: "worker", Instance: name + "1", Protocol: Protocol, Profiles: profiles, Seen: noon}
}

func jobOn(id string, servers ...string) Job { return Job{ID: id, Order: Order{Servers: servers}} }

// TestCannot checks which boxes can play a job, and what is said of the others.
func TestCannot(t *testing.T) {
	old, drained := box("old", "sim"), box("drained", "sim")
	old.Protocol, old.Homellm, drained.Drained = Protocol+1, "v9", true
	for _, tt := range []struct {
		box  Box
		need []string
		why  string
	}{
		{box("a", "sim"), []string{"sim"}, ""},
		{box("a", "sim", "vllm"), []string{"sim", "vllm"}, ""},
		{box("a", "sim"), []string{"sim", "vllm"}, `it has no profile "vllm"`},
		{old, []string{"sim"}, fmt.Sprintf("its homellm v9 speaks version %d of the fleet's protocol, not %d", Protocol+1, Protocol)},
		{drained, []string{"sim"}, "it is drained"},
	} {
		if why := tt.box.Cannot(jobOn("j", tt.need...).Demand()); why != tt.why {
			t.Errorf("%s with %v and %v: %q, want %q", tt.box.Name, tt.box.Profiles, tt.need, why, tt.why)
		}
	}
	gone := box("gone", "sim")
	gone.Seen = noon.Add(-Gone)
	why := Nobody(jobOn("j", "sim"), []Box{gone, drained, box("c", "vllm")}, noon)
	if want := `no box of the fleet can play it (drained: it is drained; c: it has no profile "sim")`; why != want {
		t.Errorf("%q, want %q", why, want)
	}
	if why := Nobody(jobOn("j", "sim"), []Box{gone, box("a", "sim")}, noon); why != "" {
		t.Errorf("a box can play it, but: %s", why)
	}
	all := []Box{gone, drained, box("c", "vllm"), box("b", "sim"), box("a", "vllm", "sim")}
	if can := Able(jobOn("j", "sim"), all, noon); !slices.Equal(can, []string{"a", "b"}) {
		t.Errorf("%v can play it", can)
	}
}

// TestArrange_Bound follows jobs that one box must play: only that box is offered them, and when it will not play them
// any more they are skipped, with the reason.
func TestArrange_Bound(t *testing.T) {
	bound := jobOn("1", "sim")
	bound.Box = "attic"
	for _, tt := range []struct {
		name   string
		change func(*Box)
		after  time.Duration
		want   string
	}{
		{"there", func(*Box) {}, 0, ""},
		{"without its server for now", func(b *Box) { b.Profiles = nil }, 0, ""},
		{"away", func(*Box) {}, Patience - time.Second, ""},
		{"gone", func(*Box) {}, Patience, "it has not been seen for 5m0s"},
		{"left just now", func(b *Box) { b.Left = true }, Pulse - time.Second, ""},
		{"left", func(b *Box) { b.Left = true }, Pulse, "it left the fleet before"},
		{"drained", func(b *Box) { b.Drained = true }, 0, "it is drained"},
		{"not known", func(b *Box) { b.Name = "porch" }, 0, "it is not in the fleet"},
	} {
		b := NewBoard([]Job{bound})
		attic, other := box("attic", "sim"), box("cellar", "sim")
		tt.change(&attic)
		if attic.Drained {
			b.Assign(attic.ID(), Assignment{Drained: attic.Instance})
		}
		b.Meet(attic)
		now := noon.Add(tt.after)
		other.Seen = now
		b.Meet(other)
		m := b.Arrange(now, nil)
		got := ""
		for _, lost := range m.Skip {
			got += lost.Why
		}
		want := tt.want
		if want != "" {
			want = "box attic did not play it: " + want
		}
		if got != want {
			t.Errorf("%s: skipped: %q, want %q", tt.name, got, want)
		}
		if _, offered := m.Assign[other.ID()]; offered {
			t.Errorf("%s: it is offered to another box", tt.name)
		}
		if offered := len(m.Offer) == 1; offered != (tt.name == "there") {
			t.Errorf("%s: offered %v", tt.name, m.Offer)
		}
		b.Job("1").Begin("a", box("attic"), now)
		if m := b.Arrange(now, nil); tt.name == "drained" && len(m.Skip) > 0 {
			t.Errorf("%s while it plays: %+v", tt.name, m.Skip)
		}
	}
}

// TestNobody_Bound checks what is said of jobs that one box must play.
func TestNobody_Bound(t *testing.T) {
	bound := jobOn("1", "sim")
	bound.Box = "attic"
	twin := box("attic", "sim")
	twin.Key = "anna"
	here, cellar := box("attic", "sim"), box("cellar", "sim")
	for want, boxes := range map[string][]Box{
		"":                              {here, box("cellar")},
		"no box is in the fleet":        nil,
		"box attic is not in the fleet": {cellar},
		`box attic cannot play it: it has no profile "sim"`:                                      {cellar, box("attic")},
		"2 boxes are called attic: give one of them another name with homellm fleet join --name": {here, twin},
	} {
		if why := Nobody(bound, boxes, noon); why != want {
			t.Errorf("%q, want %q", why, want)
		}
	}
	gone := box("gone")
	gone.Left = true
	if got := Names([]Box{twin, gone, cellar, here}, noon); !slices.Equal(got, []string{"attic", "cellar"}) {
		t.Errorf("the boxes are %v", got)
	}
	if one, two := jobOn("1", "sim").Demand(), bound.Demand(); one.Queue() == two.Queue() {
		t.Error("a job of one box shares its queue with a job of any")
	}
}

// TestState checks the word for what a box does.
func TestState(t *testing.T) {
	for want, change := range map[string]func(*Box){
		"idle": func(*Box) {}, "playing": func(b *Box) { b.Playing = "run" }, "left": func(b *Box) { b.Left = true },
		"drained": func(b *Box) { b.Drained = true }, "other version": func(b *Box) { b.Protocol++ },
		"gone": func(b *Box) { b.Seen = noon.Add(-Gone) },
	} {
		b := box("a", "sim")
		if change(&b); b.State(noon) != want {
			t.Errorf("%+v is %s, want %s", b, b.State(noon), want)
		}
	}
}

// TestQueue checks that jobs share a queue if they demand the same of their box, and only then.
func TestQueue(t *testing.T) {
	one, two := jobOn("1", "sim", "vllm").Demand().Queue(), jobOn("2", "vllm", "sim").Demand().Queue()
	if one != two || one == "" {
		t.Errorf("queues %q and %q of the same demand", one, two)
	}
	if other := jobOn("3", "vllm").Demand().Queue(); other == one {
		t.Errorf("two demands have the queue %s", one)
	}
}

// TestArrange follows jobs as boxes come, play, vanish and are drained.
func TestArrange(t *testing.T) {
	b := NewBoard([]Job{jobOn("1", "sim"), jobOn("2", "vllm")})
	servers := map[string]string{b.Jobs[0].Queue: "sim", b.Jobs[1].Queue: "vllm"}
	queued := map[string]bool{}
	now := noon
	arrange := func(want string) {
		t.Helper()
		m := b.Arrange(now, queued)
		var got []string
		for _, id := range slices.Sorted(maps.Keys(m.Assign)) {
			of := []string{}
			for _, q := range m.Assign[id].Queues {
				of = append(of, servers[q])
			}
			got = append(got, fmt.Sprintf("%s asks %v", id, of))
			b.Assign(id, m.Assign[id])
		}
		for _, p := range m.Offer {
			if got = append(got, "+"+p.ID); !slices.Contains(m.Queues, p.Queue) {
				t.Errorf("%s is offered in a queue that is not made", p.ID)
			}
			queued[p.ID] = true
		}
		for _, p := range m.GiveUp {
			got = append(got, "!"+p.ID)
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	arrange("")
	x, y := box("x", "sim"), box("y", "sim")
	if !b.Meet(x) || b.Meet(x) {
		t.Error("only the first description of a box is new")
	}
	arrange("worker.x asks [sim], +1")
	arrange("")
	b.Meet(y)
	arrange("worker.y asks [sim]")
	b.Meet(box("z", "vllm"))
	arrange("worker.z asks [vllm], +2")
	b.Meet(box("z"))
	arrange("worker.z asks []")
	b.Meet(box("z", "vllm", "sim"))
	m := b.Arrange(now, queued).Assign["worker.z"].Queues
	if slices.Sort(m); !slices.Equal(m, slices.Sorted(maps.Keys(servers))) {
		t.Errorf("worker.z asks %v", m)
	}
	b.Meet(box("z", "vllm"))
	arrange("worker.z asks [vllm]")

	first := b.Job("1").Begin("a1", x, now)
	if b.Job("1").Attempt("a1") != first || b.Job("1").Attempt("a2") != nil || b.Job("3") != nil {
		t.Error("an attempt or a job is not found, or one that is not there")
	}
	if !b.Assign("worker.y", Assignment{Queues: []string{b.Jobs[0].Queue}, Drained: "y1"}) {
		t.Error("a box that is drained is no news")
	}
	arrange("worker.y asks []") // 1 is under way
	b.Meet(y)                   // it is still drained
	arrange("")
	delete(queued, "1")
	arrange("") // and was confirmed, though its end has not come yet

	now = now.Add(Gone) // x is gone, and so are the others
	arrange("")
	w := box("w", "sim")
	w.Seen = now
	b.Meet(w)
	arrange("worker.w asks [sim]") // what was played may not have been heard yet
	arrange("+1")

	first.Over = "it was killed"
	w.Instance = "w2" // it was started anew
	b.Meet(w)
	b.Job("1").Begin("a2", box("w"), now)
	arrange("")
	delete(queued, "1") // the queue was lost, and what the worker before this one played
	arrange("")
	arrange("+1")
	for i := range MostAttempts {
		b.Job("1").Begin(fmt.Sprint("b", i), box("w"), now).Over = "it broke"
	}
	arrange("!1")
	b.Settle(b.Job("1"))
	b.Settle(b.Job("1"))
	arrange("")
	if b.Settled() != 1 {
		t.Errorf("%d jobs are settled", b.Settled())
	}
	if text := b.Job("1").Tell(b.Job("1").Attempts[1]); !strings.HasPrefix(text,
		"attempt 1 on box x does not count: it was killed; attempt 3 on box w does not count: it broke") {
		t.Errorf("attempts: %s", text)
	}
}

// BenchmarkArrange compares the queues with 10,000 boxes, each of which plays one of 20,000 jobs.
func BenchmarkArrange(b *testing.B) {
	var jobs []Job
	queued := map[string]bool{}
	for i := range 20_000 {
		jobs = append(jobs, jobOn(fmt.Sprint("job", i), "sim"))
		queued[jobs[i].ID] = true
	}
	board := NewBoard(jobs)
	for i := range 10_000 {
		x := box(fmt.Sprint("box", i), "sim", "llamacpp", "vllm")
		board.Meet(x)
		board.Jobs[i].Begin("a", x, noon)
	}
	for id, a := range board.Arrange(noon, queued).Assign {
		board.Assign(id, a)
	}
	b.ReportAllocs()
	for b.Loop() {
		if m := board.Arrange(noon, queued); len(m.Assign)+len(m.Offer) > 0 {
			b.Fatalf("%d boxes and %d jobs move", len(m.Assign), len(m.Offer))
		}
	}
}

// TestBegin_Again has the worker of a box come back after it was killed: what it played before has no result any more.
// What another box plays has.
func TestBegin_Again(t *testing.T) {
	b := NewBoard([]Job{jobOn("1", "sim")})
	x, y := box("x", "sim"), box("y", "sim")
	first, other := b.Jobs[0].Begin("a1", x, noon), b.Jobs[0].Begin("a2", y, noon)
	same := b.Jobs[0].Begin("a3", x, noon)
	if first.Over != "" {
		t.Errorf("the worker is the same, but its first attempt is over: %s", first.Over)
	}
	x.Instance = "x2"
	again := b.Jobs[0].Begin("a4", x, noon)
	if first.Over != "its worker was started again" || same.Over != first.Over || other.Over != "" || again.Over != "" {
		t.Errorf("over: %q, %q, of another box %q, of the new worker %q", first.Over, same.Over, other.Over, again.Over)
	}
}
