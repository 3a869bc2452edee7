package chart

import (
	"fmt"
	"testing"
	"time"

	"homellm/engine/metrics"
)

func TestBins(t *testing.T) {
	var all []metrics.Point
	for i := range 10 {
		all = append(all, metrics.Point{At: time.Duration(i), V: float64(i)})
	}
	got := bins(all, 4)
	if len(got) != 4 || got[0] != (bin{at: 1, low: 0, mean: 1, top: 2, n: 3}) || got[3].n != 1 || got[3].mean != 9 {
		t.Errorf("%+v", got)
	}
	if got := coarse(got, 2); len(got) != 2 || got[0].n != 6 || got[0].low != 0 || got[0].top != 5 || got[0].mean != 2.5 {
		t.Errorf("%+v", got)
	}
	if got := evenly([]int{1, 2, 3, 4, 5, 6, 7}, 3); fmt.Sprint(got) != "[1 4 7]" {
		t.Error(got)
	}
}
