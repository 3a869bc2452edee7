package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestSVG_EscapesTexts(t *testing.T) {
	s := newSVG("c", 100, 50, `<script>"a"`, `b & 'c'`)
	s.group("g", "repeat", `1" onload="x`)
	s.text("t", 1, 2, "</svg><img>")
	s.dot("d", 1.04, 2.06, 3, "<b>")
	s.rect("r", 1, 2, -3, 4, "<i>")
	s.end()
	out := string(s.done())
	isXML(t, out)
	for _, bad := range []string{"<script", "<img", "<b>", "<i>", `onload="`, "style="} {
		if strings.Contains(out, bad) {
			t.Errorf("%q is in %s", bad, out)
		}
	}
	for _, want := range []string{`role="img"`, `aria-labelledby="c-t c-d"`, `cx="1" cy="2.1"`, `width="0"`} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
}

// What was not measured is not drawn: a curve has a hole there.
func TestSVG_CurvesHaveGaps(t *testing.T) {
	for _, c := range []struct {
		points []point
		want   string
	}{
		{[]point{{1, 1, false}, {2, 2, false}, {3, 0, true}, {4, 4, false}, {5, 5, false}}, "M1 1L2 2M4 4L5 5"},
		{[]point{{1, 1, false}, {0, 0, true}, {4, 4, false}}, "M-1 1h4M2 4h4"},
		{[]point{{0, 0, true}}, ""},
	} {
		s := newSVG("c", 10, 10, "t", "d")
		s.curve("k", c.points)
		out := string(s.done())
		if c.want == "" && strings.Contains(out, "<path") || c.want != "" && !strings.Contains(out, `d="`+c.want+`"`) {
			t.Errorf("%v: got %s, want %q", c.points, out, c.want)
		}
	}
	s := newSVG("c", 10, 10, "t", "d")
	s.band("k", []point{{1, 1, false}, {2, 1, false}, {3, 1, true}, {4, 1, false}},
		[]point{{1, 5, false}, {2, 6, false}, {3, 7, false}, {4, 8, false}})
	if out := string(s.done()); strings.Count(out, "<path") != 1 || !strings.Contains(out, `d="M1 5L2 6L2 1L1 1Z"`) {
		t.Error(out)
	}
}

func TestNiceCeil(t *testing.T) {
	for _, c := range []struct{ v, ceiling, step float64 }{
		{0, 1, 0.25}, {1, 1, 0.25}, {0.97, 1, 0.25}, {37, 40, 10}, {101, 150, 50}, {8621, 10000, 2500}, {0.004, 0.004, 0.001},
		{math.Inf(1), 1, 0.25},
	} {
		got, step := niceCeil(c.v, 4)
		if math.Abs(got-c.ceiling) > 1e-9 || math.Abs(step-c.step) > 1e-9 {
			t.Errorf("%g: got %g in steps of %g, want %g in steps of %g", c.v, got, step, c.ceiling, c.step)
		}
		if !math.IsInf(c.v, 0) && got < c.v {
			t.Errorf("%g: the ceiling %g is below it", c.v, got)
		}
	}
	a := axis{0, 10, 100, 0, false}
	if a.at(0) != 100 || a.at(5) != 50 || a.at(10) != 0 || (axis{3, 3, 7, 9, false}).at(3) != 7 {
		t.Error("an axis does not map")
	}
}

// isXML fails the test if the text is not XML.
func isXML(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
}
