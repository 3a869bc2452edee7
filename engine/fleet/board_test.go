package fleet

import (
	"fmt"
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
		if why := tt.box.Cannot(jobOn("j", tt.need...)); why != tt.why {
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

// TestSetFor checks that a set depends on its boxes and not on the order in which they came.
func TestSetFor(t *testing.T) {
	a, b, c := box("a", "sim"), box("b", "sim"), box("c", "vllm")
	one, two := SetFor(jobOn("1", "sim"), []Box{a, b, c}, noon), SetFor(jobOn("2", "sim"), []Box{c, b, a}, noon)
	if one.Name == "" || one.Name != two.Name || !slices.Equal(one.Boxes, []string{"worker.a", "worker.b"}) {
		t.Errorf("sets %+v and %+v", one, two)
	}
	if other := SetFor(jobOn("3", "vllm"), []Box{a, b, c}, noon); other.Name == one.Name {
		t.Errorf("two sets have the name %s", one.Name)
	}
}

// TestArrange follows jobs as boxes come, play, vanish and are drained.
func TestArrange(t *testing.T) {
	b := NewBoard([]Job{jobOn("1", "sim"), jobOn("2", "vllm")})
	queued := map[string]bool{}
	now := noon
	arrange := func(want string) {
		t.Helper()
		m := b.Arrange(now, queued)
		var got []string
		for _, x := range m.Withdraw {
			got = append(got, "-"+x.Job.ID)
			delete(queued, x.Job.ID)
		}
		for _, x := range m.Offer {
			got = append(got, fmt.Sprintf("+%s to %s", x.Job.ID, strings.Join(x.Set.Boxes, "&")))
			queued[x.Job.ID], x.Job.Set = true, x.Set.Name
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
	arrange("+1 to worker.x")
	arrange("")
	b.Meet(y)
	arrange("-1, +1 to worker.x&worker.y")
	b.Meet(box("z", "vllm"))
	arrange("+2 to worker.z")

	first := b.Job("1").Begin("a1", x, now)
	if b.Job("1").Attempt("a1") != first || b.Job("1").Attempt("a2") != nil || b.Job("3") != nil {
		t.Error("an attempt or a job is not found, or one that is not there")
	}
	y.Drained = true
	b.Meet(y)
	arrange("") // it is under way
	delete(queued, "1")
	arrange("") // and was confirmed, though its end has not come yet

	now = now.Add(Gone) // x is gone, and so are the others
	arrange("-2")
	w := box("w", "sim")
	w.Seen = now
	b.Meet(w)
	arrange("+1 to worker.w")

	first.Over = "it was killed"
	w.Instance = "w2" // it was started anew
	b.Meet(w)
	b.Job("1").Begin("a2", box("w"), now)
	arrange("")
	delete(queued, "1") // the queue was lost
	arrange("+1 to worker.w")
	for i := range MostAttempts {
		b.Job("1").Begin(fmt.Sprint("b", i), box("w"), now).Over = "it broke"
	}
	arrange("!1")
	b.Job("1").Settled = true
	arrange("")
	if b.Settled() != 1 {
		t.Errorf("%d jobs are settled", b.Settled())
	}
	if text := b.Job("1").Tell(b.Job("1").Attempts[1]); !strings.HasPrefix(text,
		"attempt 1 on box x does not count: it was killed; attempt 3 on box w does not count: it broke") {
		t.Errorf("attempts: %s", text)
	}
}
