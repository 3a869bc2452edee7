package chart

import (
	"fmt"
	"testing"
)

func TestCrowd(t *testing.T) {
	var all []slot
	for i := range 10 {
		phase := "before"
		if i >= 7 {
			phase = "with_rag"
		}
		all = append(all, slot{conversation: "main", step: "s", phase: phase, turn: i + 1, turns: 1, index: i + 1})
	}
	if got := crowd(all, 10); len(got) != 10 {
		t.Errorf("%d slots for 10", len(got))
	}
	got := crowd(all, 4)
	var sizes []int
	for _, p := range got {
		sizes = append(sizes, p.turns)
	}
	if fmt.Sprint(sizes) != "[3 3 1 3]" || got[2].phase != "before" || got[3].phase != "with_rag" ||
		got[3].name() != "main/s turn 8 and 2 more" {
		t.Errorf("%v %+v", sizes, got)
	}
}
