package chart

import (
	"strings"
	"testing"

	"homellm/engine/compare"
)

// A change is drawn in multiples of the gate's margin, for the worse to the right, whichever
// direction is better.
func TestMargins(t *testing.T) {
	d := func(name string, better int, change, lo, hi float64) compare.Delta {
		return compare.Delta{Gate: compare.Gate{Name: name, Better: better}, Change: &change, Lo: &lo, Hi: &hi,
			Margin: new(2.0), Verdict: compare.Worse}
	}
	f, ok := Margins("m", []compare.Delta{d("ttft", -1, 3, 2, 4), d("speed", 1, -3, -4, -2), d("far", -1, 20, 18, 22),
		d("better", -1, -3, -4, -2), {}})
	if !ok {
		t.Fatal("no figure")
	}
	var got []string
	for _, r := range f.Table.Rows {
		got = append(got, strings.Join(r.Cells, " | "))
	}
	want := "ttft | worse | 1.5 × | 1 × | 2 ×\nspeed | worse | 1.5 × | 1 × | 2 ×\nfar | worse | 10 × | 9 × | 11 ×\n" +
		"better | worse | -1.5 × | -2 × | -1 ×"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if n := strings.Count(string(f.SVG), `class="estimate"`); n != 3 || strings.Count(string(f.SVG),
		`class="arrow"`) != 1 || !strings.Contains(string(f.SVG), ">10 ×</text>") {
		t.Errorf("%d dots: an estimate beyond the chart is a number and an arrow, not a dot in a false place", n)
	}
}
