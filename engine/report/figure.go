package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// chart is one chart with the table of what it shows.
type chart struct {
	ID      string
	Title   string
	Caption string
	Legend  []legend
	Wide    bool
	Repeat  string // for the filter; empty: belongs to all
	Warmup  bool   // shown when asked for
	SVG     template.HTML
	Table   dataTable
}

type legend struct{ Class, Label string }

type dataTable struct {
	Caption string
	Head    []string
	Left    int // columns of text before the numbers
	Rows    []dataRow
	Note    string // what the table leaves out; empty: nothing
}

type dataRow struct {
	Cells  []string
	Group  string // heads the rows from here on; empty: as above
	Repeat string // for the filter; empty: belongs to all
	Class  string // better | worse, where two runs are compared
}

// Sizes of a chart in units of its view box. A chart is drawn about as wide as a phone, so that
// its letters can be read there.
const (
	chartWidth  = 460.0
	chartHeight = 224.0
	chartLeft   = 58.0
	chartRight  = 10.0
	chartTop    = 26.0
	chartBottom = 30.0
)

// track is one metric over the turns of a cell, or the same metric of another run.
type track struct {
	label, class string
	def          *metrics.Def
	at           [][]reading // for each place
	warm         [][]reading
	single       bool // one line, such as a ceiling: neither band nor repeats
}

func trackOf(c *metrics.Cell, places []place, d *metrics.Def, label, class string) track {
	t := track{label: label, class: class, def: d}
	for _, p := range places {
		t.at = append(t.at, readings(c, t.def, p.requests))
		t.warm = append(t.warm, readings(c, t.def, p.warmups))
	}
	return t
}

// lineClass is the style class of a metric's line.
func lineClass(l metrics.Line) string {
	if l.Limit {
		return "ceiling"
	}
	return fmt.Sprintf("c%d", max(1, l.Color))
}

func (t track) known() bool {
	return slices.ContainsFunc(t.at, func(r []reading) bool { return len(r) > 0 })
}

// perTurn draws tracks turn by turn, phases shaded: the median of the repeats as a line, their
// range as a band, and each repeat where there is room for it.
func perTurn(id, title, caption string, places []place, tracks []track, detail bool) chart {
	f := chart{ID: id, Title: title, Caption: caption}
	top, unit := 0.0, tracks[0].def.Unit
	for _, t := range tracks {
		f.Legend = append(f.Legend, legend{t.class, t.label})
		for _, group := range append(slices.Clone(t.at), t.warm...) {
			for _, r := range group {
				top = max(top, r.value)
			}
		}
	}
	ceiling, step := niceCeil(top, 4)
	if tracks[0].def.Rate {
		ceiling, step = 1, 0.25
	}
	s := newSVG(id, chartWidth, chartHeight, title, describe(places, tracks))
	x := axis{0, float64(len(places)), chartLeft, chartWidth - chartRight}
	y := axis{0, ceiling, chartHeight - chartBottom, chartTop}
	if phased(places) {
		shade(s, places, x)
	}
	borders(s, places, x)
	frame(s, y, step, unit)
	turnTicks(s, places, x)
	for _, t := range tracks {
		drawTrack(s, t, places, x, y, detail)
	}
	f.SVG = s.done()
	f.Table = turnTable(title, places, tracks)
	return f
}

// shade lays a tint behind each run of turns of one phase and names it where there is room.
func shade(s *svg, places []place, x axis) {
	for i := 0; i < len(places); {
		end := i
		for end < len(places) && places[end].phase == places[i].phase {
			end++
		}
		from, to := x.at(float64(i)), x.at(float64(end))
		s.rect("phase "+phaseClass(places[i].phase), from, chartTop, to-from, chartHeight-chartTop-chartBottom, places[i].phase)
		if name := phaseName(places[i].phase); to-from > 6.4*float64(len([]rune(name))) {
			s.text("phase-name", (from+to)/2, chartTop-9, name)
		}
		i = end
	}
}

// phased says whether there are phases to tell apart: a chat without documents is all "before".
func phased(places []place) bool {
	return slices.ContainsFunc(places, func(p place) bool { return p.phase != "before" })
}

// borders draws a line between two conversations.
func borders(s *svg, places []place, x axis) {
	for i := 1; i < len(places); i++ {
		if places[i].conversation != places[i-1].conversation {
			s.line("border", x.at(float64(i)), chartTop, x.at(float64(i)), chartHeight-chartBottom+5)
		}
	}
}

var phaseNames = map[string]string{"before": "before", "with_rag": "with documents", "after_removal": "after removal"}

func phaseName(phase string) string {
	if n, ok := phaseNames[phase]; ok {
		return n
	}
	return phase
}

// phaseClass is a class of the style sheet: the text of a journal never becomes one.
func phaseClass(phase string) string {
	if _, ok := phaseNames[phase]; ok {
		return "p-" + phase
	}
	return "p-other"
}

// frame draws the horizontal grid with its values, and the unit above them where they lack it.
func frame(s *svg, y axis, step float64, unit string) {
	if name := axisUnit(unit); name != "" {
		s.text("tick y", chartLeft-6, chartTop-9, name)
	}
	for v := 0.0; v <= y.high+step/2; v += step {
		s.line("grid", chartLeft, y.at(v), s.width-chartRight, y.at(v))
		s.text("tick y", chartLeft-6, y.at(v)+3.5, tick(v, unit))
	}
}

// axisUnit is the unit that the values of an axis do not carry themselves.
func axisUnit(unit string) string {
	if unit == "ms" || unit == "ratio" {
		return ""
	}
	return unit
}

// tick prints the value of a grid line, as short as it goes.
func tick(v float64, unit string) string {
	switch {
	case v == 0:
		return "0"
	case unit == "ms" && v >= 1000:
		return significant(v/1000, 3) + " s"
	case unit == "ms":
		return significant(v, 3) + " ms"
	case unit == "ratio":
		return significant(100*v, 3) + " %"
	case v >= 1000:
		return significant(v/1000, 3) + "k"
	}
	return significant(v, 3)
}

func turnTicks(s *svg, places []place, x axis) {
	_, step := niceCeil(float64(len(places)), 12)
	every := max(1, int(math.Ceil(step)))
	y := chartHeight - chartBottom + 14
	for i, p := range places {
		if i%every == 0 {
			s.text("tick x", x.at(float64(i)+0.5), y, strconv.Itoa(p.index))
		}
	}
	s.text("axis", (chartLeft+chartWidth-chartRight)/2, chartHeight-3, "turn")
}

func drawTrack(s *svg, t track, places []place, x, y axis, detail bool) {
	var low, mid, high []point
	many := false
	for i, group := range t.at {
		cx := x.at(float64(i) + 0.5)
		v := sortedValues(group)
		if len(v) == 0 {
			gap := point{cx, 0, true}
			low, mid, high = append(low, gap), append(mid, gap), append(high, gap)
			continue
		}
		many = many || len(v) > 1
		low = append(low, point{cx, y.at(v[0]), false})
		mid = append(mid, point{cx, y.at(stats.Percentile(v, 50)), false})
		high = append(high, point{cx, y.at(v[len(v)-1]), false})
	}
	s.group("all")
	if many && !t.single {
		s.band("band "+t.class, low, high)
	}
	s.end()
	if detail && !t.single {
		drawRepeats(s, t, x, y)
	}
	s.group("all")
	s.curve("curve "+t.class, mid)
	if !t.single && len(places) <= 60 {
		for i, p := range mid {
			if !p.gap {
				v := sortedValues(t.at[i])
				s.dot("dot "+t.class, p.x, p.y, 2.6, fmt.Sprintf("%s: %s %s", places[i].name(), t.label, show(stats.Percentile(v, 50), t.def.Unit)))
			}
		}
	}
	s.end()
}

// drawRepeats draws each repeat as a thin line; the page's filter shows one of them alone.
func drawRepeats(s *svg, t track, x, y axis) {
	draw := func(at [][]reading, n int, class string, data ...string) {
		var line []point
		for i, group := range at {
			cx := x.at(float64(i) + 0.5)
			k := slices.IndexFunc(group, func(r reading) bool { return r.repeat == n })
			if k < 0 {
				line = append(line, point{cx, 0, true})
				continue
			}
			line = append(line, point{cx, y.at(group[k].value), false})
		}
		s.group(class, data...)
		s.curve("thin "+t.class, line)
		s.end()
	}
	for _, n := range repeatsIn(t.at) {
		draw(t.at, n, "rep", "repeat", strconv.Itoa(n))
	}
	for _, n := range repeatsIn(t.warm) {
		draw(t.warm, n, "warm")
	}
}

func repeatsIn(at [][]reading) []int {
	seen := map[int]bool{}
	var out []int
	for _, group := range at {
		for _, r := range group {
			if !seen[r.repeat] {
				seen[r.repeat] = true
				out = append(out, r.repeat)
			}
		}
	}
	slices.Sort(out)
	return out
}

// turnTable is what a chart over turns shows, as numbers.
func turnTable(title string, places []place, tracks []track) dataTable {
	out := dataTable{Caption: title + " by turn", Head: []string{"turn", "step", "phase"}, Left: 3}
	for _, t := range tracks {
		if t.single {
			out.Head = append(out.Head, t.label)
			continue
		}
		out.Head = append(out.Head, t.label+" n", "median", "min", "max")
	}
	crowded := false
	for i, p := range places {
		row := dataRow{Cells: []string{strconv.Itoa(p.index), p.name(), phaseName(p.phase)}}
		crowded = crowded || p.turns > 1
		for _, t := range tracks {
			v := sortedValues(t.at[i])
			switch {
			case t.single && len(v) == 0:
				row.Cells = append(row.Cells, unknown)
			case t.single:
				row.Cells = append(row.Cells, show(stats.Percentile(v, 50), t.def.Unit))
			case len(v) == 0:
				row.Cells = append(row.Cells, "0", unknown, unknown, unknown)
			default:
				row.Cells = append(row.Cells, strconv.Itoa(len(v)), show(stats.Percentile(v, 50), t.def.Unit), show(v[0], t.def.Unit), show(v[len(v)-1], t.def.Unit))
			}
		}
		out.Rows = append(out.Rows, row)
	}
	if crowded {
		out.Note = "Neighbouring turns of a phase stand together in one row and one point; turns.csv has every request."
	}
	return out
}

// describe says in a sentence what a sighted reader takes from the curve.
func describe(places []place, tracks []track) string {
	out := []string{fmt.Sprintf("%s over %s.", tracks[0].def.Doc, Plural(turnsIn(places), "turn"))}
	for _, t := range tracks {
		low, high := math.Inf(1), math.Inf(-1)
		for _, group := range t.at {
			for _, r := range group {
				low, high = min(low, r.value), max(high, r.value)
			}
		}
		if low <= high {
			out = append(out, fmt.Sprintf("%s: from %s to %s.", t.label, show(low, t.def.Unit), show(high, t.def.Unit)))
		} else {
			out = append(out, t.label+": unknown.")
		}
	}
	return strings.Join(out, " ")
}

func turnsIn(places []place) int {
	n := 0
	for _, p := range places {
		n += p.turns
	}
	return n
}
