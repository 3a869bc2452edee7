package dsl

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// talks plays conversations with the given numbers of turns, and lists what is sent.
func talks(p Play, lengths []int, fails int) (sent []string, err error) {
	err = p.Take(len(lengths), func(i int, turn func() bool) error {
		for n := range lengths[i] {
			sent = append(sent, fmt.Sprintf("%c%d", 'a'+i, n+1))
			if len(sent) == fails {
				return errors.New("refused")
			}
			if !turn() {
				sent = append(sent, fmt.Sprintf("%c ended", 'a'+i))
				return nil
			}
		}
		return nil
	})
	return sent, err
}

func TestPlay_Take(t *testing.T) {
	for _, tt := range []struct {
		play  Play
		fails int // number of the request that fails; 0: none
		want  []string
	}{
		{OneByOne, 0, []string{"a1", "a2", "a3", "c1", "c2"}},
		{ByTurn, 0, []string{"a1", "c1", "a2", "c2", "a3"}},
		{Together, 0, []string{"a1", "c1", "a2", "c2", "a3"}}, // as planned
		{OneByOne, 2, []string{"a1", "a2"}},
		{ByTurn, 2, []string{"a1", "c1", "a ended"}},
	} {
		got, err := talks(tt.play, []int{3, 0, 2}, tt.fails)
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.fails > 0) {
			t.Errorf("%q: %v (%v), want %v", tt.play, got, err, tt.want)
		}
	}
	if got, err := talks(ByTurn, nil, 0); got != nil || err != nil {
		t.Errorf("nothing to play: %v, %v", got, err)
	}
}

// lanesOf names the parts of each lane.
func lanesOf(run Run) (out []string) {
	s := &Scenario{Run: run, Conversations: []*Conversation{{ID: "a"}, {ID: "b"}}}
	for _, lane := range s.Lanes() {
		parts := ""
		for _, p := range lane {
			parts += fmt.Sprintf("%s%d", p.Conversation.ID, p.User)
		}
		out = append(out, parts)
	}
	return out
}

// Users who play together are a lane each; without users each conversation is one.
func TestScenario_Lanes(t *testing.T) {
	for _, tt := range []struct {
		run  Run
		want []string
	}{
		{Run{}, []string{"a0b0"}},
		{Run{Users: 2}, []string{"a1b1a2b2"}},
		{Run{Play: ByTurn, Users: 2}, []string{"a1", "b1", "a2", "b2"}},
		{Run{Play: Together}, []string{"a0", "b0"}},
		{Run{Play: Together, Users: 2}, []string{"a1b1", "a2b2"}},
	} {
		if got := lanesOf(tt.run); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.run, got, tt.want)
		}
	}
}

// Times to think have the mean that was asked for, and the limits of their distribution.
func TestThink_Draw(t *testing.T) {
	const n = 20000
	for distribution, most := range map[string]time.Duration{constant: time.Second, uniform: 2 * time.Second,
		exponential: 16 * time.Second} {
		source := rand.New(rand.NewPCG(1, 2))
		var sum, longest time.Duration
		for range n {
			d := Think{Mean: time.Second, Distribution: distribution}.Draw(source)
			sum, longest = sum+d, max(longest, d)
		}
		if mean := sum / n; (mean-time.Second).Abs() > 30*time.Millisecond || longest > most || 2*longest < most {
			t.Errorf("%s: mean %v, longest %v", distribution, mean, longest)
		}
	}
}
