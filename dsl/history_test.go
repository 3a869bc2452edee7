package dsl

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl/figure"
)

var (
	manual = &Document{ID: "manual", Title: "Pump manual", Text: "Tighten the bolts to 41 Nm."}
	notes  = &Document{ID: "notes", Text: "The pump is blue."}
)

const wrappedManual = "[RETRIEVED INFORMATION: Pump manual]\nTighten the bolts to 41 Nm.\n[END RETRIEVED INFORMATION]"
const wrappedNotes = "[RETRIEVED INFORMATION: notes]\nThe pump is blue.\n[END RETRIEVED INFORMATION]"

// played collects what is sent. Replies are A1, A2, …
type played struct{ turns []Turn }

func (p *played) send(t Turn) (Reply, error) {
	p.turns = append(p.turns, t)
	return Reply{Text: fmt.Sprintf("A%d", len(p.turns))}, nil
}

// lists prints the messages of each turn as role:content.
func (p *played) lists() []string {
	var out []string
	for _, t := range p.turns {
		var b strings.Builder
		for i, m := range t.Messages {
			if i > 0 {
				b.WriteString(" | ")
			}
			fmt.Fprintf(&b, "%s:%s", m.Role, m.Content)
		}
		out = append(out, b.String())
	}
	return out
}

func play(t *testing.T, system string, actions ...Action) *played {
	t.Helper()
	h, p := NewHistory(system), &played{}
	for _, a := range actions {
		before := len(p.turns)
		if err := a.Play(h, p.send); err != nil {
			t.Fatal(err)
		}
		if n := len(p.turns) - before; n != a.Turns() {
			t.Errorf("%T sent %d turns and declares %d", a, n, a.Turns())
		}
	}
	return p
}

// TestRemovalOnTheWire checks the four message lists of a conversation whose document is at the head and is removed
// before the third question.
func TestRemovalOnTheWire(t *testing.T) {
	p := play(t, "",
		Inject{Docs: []*Document{notes}, Into: intoSystem},
		Query{Text: "U1"},
		Query{Text: "U2", Docs: []string{"notes"}},
		Remove{Docs: []string{"notes"}, Mode: excise},
		Continue{Texts: []string{"U3", "U4"}},
	)
	want := []string{
		"system:" + wrappedNotes + " | user:U1",
		"system:" + wrappedNotes + " | user:U1 | assistant:A1 | user:U2",
		"user:U1 | assistant:A1 | user:U2 | assistant:A2 | user:U3",
		"user:U1 | assistant:A1 | user:U2 | assistant:A2 | user:U3 | assistant:A3 | user:U4",
	}
	if d := cmp.Diff(want, p.lists()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for i, phase := range []figure.Phase{figure.WithRAG, figure.WithRAG, figure.AfterRemoval, figure.AfterRemoval} {
		if p.turns[i].Phase != phase {
			t.Errorf("T%d is %s, want %s", i+1, p.turns[i].Phase, phase)
		}
	}
}

func TestInject(t *testing.T) {
	docs := []*Document{manual, notes}
	both := wrappedManual + "\n\n" + wrappedNotes
	tests := []struct {
		name    string
		system  string
		actions []Action
		want    []string
	}{
		{
			"into the turn it opens the next user message", "S",
			[]Action{Ask{Text: "U1"}, Inject{Docs: docs, Into: intoTurn}, Query{Text: "U2"}, Ask{Text: "U3"}},
			[]string{
				"system:S | user:U1",
				"system:S | user:U1 | assistant:A1 | user:" + both + "\n\nU2",
				"system:S | user:U1 | assistant:A1 | user:" + both + "\n\nU2 | assistant:A2 | user:U3",
			},
		},
		{
			"into the system message it is appended to the one at the head", "S",
			[]Action{Ask{Text: "U1"}, Inject{Docs: docs, Into: intoSystem}, Query{Text: "U2"}},
			[]string{
				"system:S | user:U1",
				"system:S\n\n" + both + " | user:U1 | assistant:A1 | user:U2",
			},
		},
		{
			"a message of its own stands at the end", "S",
			[]Action{Ask{Text: "U1"}, Inject{Docs: docs, Into: intoMessage, Role: "system"}, Query{Text: "U2"}},
			[]string{
				"system:S | user:U1",
				"system:S | user:U1 | assistant:A1 | system:" + wrappedManual + " | system:" + wrappedNotes + " | user:U2",
			},
		},
		{
			"a prefill of the next turn sends the documents alone, and the turn starts with them", "S",
			[]Action{Inject{Docs: docs, Into: intoTurn, Prefill: true}, Query{Text: "U1"}},
			[]string{"system:S | user:" + both, "system:S | user:" + both + "\n\nU1"},
		},
		{
			"a prefill of the system message has a user message at its end", "",
			[]Action{Inject{Docs: []*Document{notes}, Into: intoSystem, Prefill: true}, Query{Text: "U1"}},
			[]string{"system:" + wrappedNotes + " | user:.", "system:" + wrappedNotes + " | user:U1"},
		},
		{
			"a prefill of an own message is sent as it stands", "",
			[]Action{Inject{Docs: []*Document{notes}, Into: intoMessage, Role: "user", Prefill: true}, Query{Text: "U1"}},
			[]string{"user:" + wrappedNotes, "user:" + wrappedNotes + " | user:U1"},
		},
		{
			"a removal leaves the question that stood behind the document", "",
			[]Action{Inject{Docs: docs, Into: intoTurn}, Query{Text: "U1"}, Remove{Docs: []string{"manual"}, Mode: excise},
				Ask{Text: "U2"}},
			[]string{
				"user:" + both + "\n\nU1",
				"user:" + wrappedNotes + "\n\nU1 | assistant:A1 | user:U2",
			},
		},
		{
			"a message that held only the document disappears", "S",
			[]Action{Inject{Docs: []*Document{notes}, Into: intoMessage}, Query{Text: "U1"},
				Remove{Docs: []string{"notes"}, Mode: excise}, Ask{Text: "U2"}},
			[]string{
				"system:S | user:" + wrappedNotes + " | user:U1",
				"system:S | user:U1 | assistant:A1 | user:U2",
			},
		},
		{
			"a document that waits can be removed", "",
			[]Action{Inject{Docs: docs, Into: intoTurn}, Remove{Docs: []string{"notes"}, Mode: excise}, Ask{Text: "U1"}},
			[]string{"user:" + wrappedManual + "\n\nU1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, play(t, tt.system, tt.actions...).lists()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestTombstoneKeepsTheLength(t *testing.T) {
	p := play(t, "",
		Inject{Docs: []*Document{manual}, Into: intoTurn}, Query{Text: "U1"},
		Remove{Docs: []string{"manual"}, Mode: tombstone}, Ask{Text: "U2"},
	)
	before, after := p.turns[0].Messages[0].Content, p.turns[1].Messages[0].Content
	if len([]rune(before)) != len([]rune(after)) {
		t.Errorf("%d runes became %d", len([]rune(before)), len([]rune(after)))
	}
	if strings.Contains(after, "41") || !strings.HasSuffix(after, "\n\nU1") || !strings.HasPrefix(after, "[REMOVED]") {
		t.Errorf("got %q", after)
	}
	// Everyday prose has four to seven runes to a token; a stub of dots would have two.
	words := counts["words"]
	if n := words(stub(syntheticText(1, 500, words))); n < 300 || n > 700 {
		t.Errorf("the stub of 500 tokens of prose has %d", n)
	}
	if got := stub("äöü"); len([]rune(got)) != 3 {
		t.Errorf("the stub of three runes is %q", got)
	}
}

func TestPhases(t *testing.T) {
	h := NewHistory("")
	steps := []struct {
		do   func()
		want figure.Phase
		docs string
	}{
		{func() {}, figure.Before, ""},
		{func() { h.remove("manual", excise) }, figure.Before, ""}, // nothing to remove
		{func() { h.inject(manual, intoTurn, "") }, figure.WithRAG, "manual"},
		{func() { h.inject(notes, intoSystem, "") }, figure.WithRAG, "manual notes"},
		{func() { h.remove("manual", excise) }, figure.AfterRemoval, "notes"},
		{func() { h.inject(manual, intoMessage, "") }, figure.WithRAG, "notes manual"},
		{func() { h.remove("manual", excise); h.remove("notes", tombstone) }, figure.AfterRemoval, ""},
	}
	for i, s := range steps {
		s.do()
		if h.phase != s.want || strings.Join(h.inContext(), " ") != s.docs {
			t.Errorf("step %d: %s with %v, want %s with %s", i, h.phase, h.inContext(), s.want, s.docs)
		}
	}
}

func TestPlayStopsAtAFailedSend(t *testing.T) {
	failed := errors.New("refused")
	for _, a := range []Action{Ask{Text: "U"}, Query{Text: "U"}, Continue{Texts: []string{"U", "V"}},
		Inject{Docs: []*Document{notes}, Prefill: true}} {
		sent := 0
		err := a.Play(NewHistory(""), func(Turn) (Reply, error) { sent++; return Reply{}, failed })
		if !errors.Is(err, failed) || sent != 1 {
			t.Errorf("%T: %v after %d requests", a, err, sent)
		}
	}
	if err := (Query{Text: "U", Docs: []string{"notes"}}).Play(NewHistory(""), nil); err == nil {
		t.Error("a query of a document that is not in context is played")
	}
}

func TestTurnsCarryRecordedRepliesAndCopies(t *testing.T) {
	h, p := NewHistory("S"), &played{}
	actions := []Action{
		Ask{Text: "U1", Reply: "R1"},
		Continue{Texts: []string{"U2", "U3"}, Replies: []string{"R2", "R3"}},
	}
	for _, a := range actions {
		if err := a.Play(h, p.send); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"R1", "R2", "R3"} {
		if p.turns[i].Reply != want {
			t.Errorf("turn %d carries %q, want %q", i, p.turns[i].Reply, want)
		}
	}
	first := append(p.turns[0].Messages, Message{Content: "other"})
	if got := h.Messages(); got[len(first)-1].Content != "A1" || len(p.turns[0].Messages) != 2 {
		t.Error("what is appended to the messages of a turn gets into the history")
	}
}

// TestHistoryProperties plays random edits and checks that no byte of an excised document is left, every turn whose
// prompt was only appended to starts with the prompt and reply before it, and roles and emptiness are what servers
// accept.
func TestHistoryProperties(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		h, p := NewHistory([]string{"", "S"}[r.IntN(2)]), &played{}
		var docs []*Document
		appended := false // only appended to since the last turn
		gone := map[string]bool{}
		for step := range 30 {
			switch r.IntN(4) {
			case 0:
				d := &Document{ID: fmt.Sprintf("d%d", step), Text: fmt.Sprintf("<text of d%d>", step)}
				into := []string{intoTurn, intoSystem, intoMessage}[r.IntN(3)]
				appended = appended && into != intoSystem
				h.inject(d, into, []string{"user", "system"}[r.IntN(2)])
				docs = append(docs, d)
			case 1:
				if len(docs) > 0 {
					i := r.IntN(len(docs))
					h.remove(docs[i].ID, []string{excise, tombstone}[r.IntN(2)])
					gone[docs[i].Text] = true
					docs = append(docs[:i], docs[i+1:]...)
					appended = false
				}
			default:
				if err := (Ask{Text: fmt.Sprintf("question %d", step)}).Play(h, p.send); err != nil {
					t.Fatal(err)
				}
				now := p.turns[len(p.turns)-1].Messages
				whole := (&History{messages: h.messages}).Messages()
				if d := cmp.Diff(whole[:len(now)], now) + cmp.Diff(whole, h.Messages()); d != "" {
					t.Fatalf("seed %d: not the messages of the history (-want +got):\n%s", seed, d)
				}
				if appended {
					before := p.turns[len(p.turns)-2].Messages
					before = append(before, Message{Role: roleAssistant, Content: fmt.Sprintf("A%d", len(p.turns)-1)})
					if d := cmp.Diff(before, now[:len(before)]); d != "" {
						t.Fatalf("seed %d: the prefix changed (-want +got):\n%s", seed, d)
					}
				}
				appended = true
				for i, m := range now {
					if m.Content == "" || (i > 0 && m.Role == roleSystem && !strings.Contains(m.Content, "INFORMATION") &&
						!strings.HasPrefix(m.Content, stubLabel)) {
						t.Fatalf("seed %d: message %d is %+v", seed, i, m)
					}
					for text := range gone {
						if strings.Contains(m.Content, text) {
							t.Fatalf("seed %d: %s is still in message %d", seed, text, i)
						}
					}
				}
				for _, d := range docs {
					if n := strings.Count(fmt.Sprint(now), d.Text); n != 1 {
						t.Fatalf("seed %d: %s stands %d times", seed, d.ID, n)
					}
				}
			}
		}
	}
}
