package chart

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/figure"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// Turns draws metrics over the turns of a cell, as the table of metrics says. Cells is the number of cells on the page.
// It also returns what is not drawn.
func Turns(id string, c *metrics.Cell, cells int) (out []Chart, absent []string) {
	slots := slotsOf(c, max(fewestSlots, pageSlots/cells))
	passes := len(c.Repeats())
	detail := passes > 1 && passes <= shownRepeats && passes*len(slots) <= pagePoints/cells
	for i, of := range metrics.Charts() {
		var tracks []track
		var missing *metrics.Def
		for _, l := range of.Lines {
			if t := trackOf(c, slots, l.Def, l.At.Label, lineClass(l.At)); t.known() {
				t.single = l.At.Limit
				tracks = append(tracks, t)
			} else {
				missing = l.Def
			}
		}
		if missing != nil {
			absent = append(absent, fmt.Sprintf("%s, %s: %s", of.Title, missing.Name, whyUnknown(c, missing)))
		}
		if len(tracks) > 0 {
			out = append(out, perTurn(fmt.Sprintf("%s-t%d", id, i), of.Title, of.Caption, slots, tracks, detail))
		}
	}
	return out, absent
}

// track is one metric over the turns of a cell, or the same metric of another run.
type track struct {
	label, class string
	def          *metrics.Def
	at           [][]reading    // for each slot
	all          []metrics.Dist // for each slot, with its unknown values
	warm         [][]reading
	single       bool // a single line, such as a ceiling: neither band nor repeats
}

func trackOf(c *metrics.Cell, slots []slot, d *metrics.Def, label, class string) track {
	t := track{label: label, class: class, def: d}
	for _, p := range slots {
		t.at = append(t.at, readings(c, t.def, p.requests))
		t.all = append(t.all, t.def.Dist(c, p.requests))
		t.warm = append(t.warm, readings(c, t.def, p.warmups))
	}
	return t
}

func (t track) known() bool {
	return slices.ContainsFunc(t.at, func(r []reading) bool { return len(r) > 0 })
}

// open says whether a slot's median is not exact.
func (t track) open(slot int) bool {
	_, ok := exact(t.all[slot], "p50")
	return t.all[slot].Unknown > 0 && !ok
}

// perTurn draws tracks turn by turn, with phases shaded: the median of the repeats as a line, their range as a band,
// and each repeat if there is room.
func perTurn(id, title, caption string, slots []slot, tracks []track, detail bool) Chart {
	f := Chart{ID: id, Title: title, Caption: caption}
	var values []float64
	unit := tracks[0].def.Unit
	for _, t := range tracks {
		f.Legend = append(f.Legend, legend{t.class, t.label})
		for _, group := range append(slices.Clone(t.at), t.warm...) {
			for _, r := range group {
				values = append(values, r.value)
			}
		}
	}
	y := scaleOf(values, chartHeight-chartBottom, chartTop)
	if tracks[0].def.Rate {
		y = linear(1, 4, chartHeight-chartBottom, chartTop)
	}
	x := axis{0, float64(len(slots)), chartLeft, chartWidth - chartRight, false}
	names := stepNames(slots, x)
	s := newSVG(id, chartWidth, chartHeight+names.height(), title, describe(slots, tracks))
	if phased(slots) {
		shade(s, slots, x)
	}
	borders(s, slots, x)
	frame(s, y, unit)
	turnTicks(s, slots, x)
	names.draw(s)
	for _, t := range tracks {
		drawTrack(s, t, slots, x, y.axis, detail)
	}
	f.SVG = s.done()
	if y.log {
		f.Caption = strings.TrimSpace(f.Caption + " " + logCaption)
	}
	if slices.ContainsFunc(tracks, func(t track) bool {
		return slices.ContainsFunc(t.all, func(d metrics.Dist) bool { return d.Unknown > 0 })
	}) {
		f.Caption = strings.TrimSpace(f.Caption + " " + openCaption)
	}
	f.Table = turnTable(title, slots, tracks)
	return f
}

// shade tints the area behind consecutive turns of one phase, with the phase's name if there is room.
func shade(s *svg, slots []slot, x axis) {
	for i := 0; i < len(slots); {
		end := i
		for end < len(slots) && slots[end].phase == slots[i].phase {
			end++
		}
		from, to := x.at(float64(i)), x.at(float64(end))
		s.rect("phase "+phaseClass(slots[i].phase), from, chartTop, to-from, chartHeight-chartTop-chartBottom, slots[i].phase)
		if name := readable.Phase(slots[i].phase); to-from > 6.4*float64(len([]rune(name))) {
			s.text("phase-name", (from+to)/2, chartTop-9, name)
		}
		i = end
	}
}

// phased says whether there are several phases: a chat without documents is all "before".
func phased(slots []slot) bool {
	return slices.ContainsFunc(slots, func(p slot) bool { return p.phase != string(figure.Before) })
}

// borders draws a line between two conversations.
func borders(s *svg, slots []slot, x axis) {
	for i := 1; i < len(slots); i++ {
		if slots[i].conversation != slots[i-1].conversation {
			s.line("border", x.at(float64(i)), chartTop, x.at(float64(i)), chartHeight-chartBottom+5)
		}
	}
}

func turnTicks(s *svg, slots []slot, x axis) {
	_, step := niceCeil(float64(len(slots)), 12)
	every := max(1, int(math.Ceil(step)))
	y := chartHeight - chartBottom + 14
	for i, p := range slots {
		if i%every == 0 {
			s.text("tick x", x.at(float64(i)+0.5), y, strconv.Itoa(p.index))
		}
	}
	s.text("tick y", chartLeft-6, y, "turn")
}

func drawTrack(s *svg, t track, slots []slot, x, y axis, detail bool) {
	var low, mid, high []point
	many := false
	for i, d := range t.all {
		cx := x.at(float64(i) + 0.5)
		at := func(stat string) point {
			v, ok := exact(d, stat)
			if !ok {
				return point{cx, 0, true}
			}
			return point{cx, y.at(v), false}
		}
		many = many || d.N > 1
		low, mid, high = append(low, at("min")), append(mid, at("p50")), append(high, at("max"))
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
	if !t.single && len(slots) <= 60 {
		for i, p := range mid {
			if !p.gap {
				s.dot("dot "+t.class, p.x, p.y, 2.6, fmt.Sprintf("%s: %s %s", slots[i].name(), t.label,
					shown(t.all[i], "p50", t.def.Unit)))
			}
		}
	}
	for i, p := range mid {
		if t.open(i) {
			drawOpen(s, t, slots[i], t.all[i], p.x, y)
		}
	}
	s.end()
}

// drawRepeats draws each repeat as a thin line; the page's filter can show a single one.
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
func turnTable(title string, slots []slot, tracks []track) Table {
	out := Table{Caption: title + " by turn", Head: []string{"turn", "step", "phase"}, Left: 3}
	for _, t := range tracks {
		if t.single {
			out.Head = append(out.Head, t.label)
			continue
		}
		out.Head = append(out.Head, t.label+" n", "median", "min", "max")
	}
	crowded := false
	for i, p := range slots {
		row := Row{Cells: []string{strconv.Itoa(p.index), p.name(), readable.Phase(p.phase)}}
		crowded = crowded || p.turns > 1
		for _, t := range tracks {
			d, unit := t.all[i], t.def.Unit
			if !t.single {
				row.Cells = append(row.Cells, counted(d))
			}
			row.Cells = append(row.Cells, shown(d, "p50", unit))
			if !t.single {
				row.Cells = append(row.Cells, shown(d, "min", unit), shown(d, "max", unit))
			}
		}
		out.Rows = append(out.Rows, row)
	}
	if crowded {
		out.Note = "Neighbouring turns of a phase share one row and one point; turns.csv has every request."
	}
	return out
}

// describe says in a sentence what the curve shows, for screen readers.
func describe(slots []slot, tracks []track) string {
	out := []string{fmt.Sprintf("%s over %s.", tracks[0].def.Doc, text.Plural(turnsIn(slots), "turn"))}
	for _, t := range tracks {
		low, high, unknown := math.Inf(1), math.Inf(-1), 0
		for i, group := range t.at {
			for _, r := range group {
				low, high = min(low, r.value), max(high, r.value)
			}
			unknown += t.all[i].Unknown
		}
		said := t.label + ": unknown."
		if low <= high {
			said = fmt.Sprintf("%s: from %s to %s.", t.label, readable.Quantity(low, t.def.Unit),
				readable.Quantity(high, t.def.Unit))
			if unknown > 0 {
				said = fmt.Sprintf("%s, and %d unknown.", strings.TrimSuffix(said, "."), unknown)
			}
		}
		out = append(out, said)
	}
	return strings.Join(out, " ")
}

func turnsIn(slots []slot) int {
	n := 0
	for _, p := range slots {
		n += p.turns
	}
	return n
}
