package chart

import (
	"fmt"
	"strconv"

	"homellm/engine/overview"
	"homellm/engine/report/readable"
)

// loadsShown is how many combinations of the other axes have charts.
const loadsShown = 4

// Loads draws what users get of a server over their number: a chart for each figure.
func Loads(o overview.Overview) (out []Chart) {
	all := o.Loads()
	for i, l := range all[:min(len(all), loadsShown)] {
		for k, f := range overview.LoadFigures() {
			if c, ok := load(fmt.Sprintf("load-%d-%d", i+1, k+1), l, k, f); ok {
				out = append(out, c)
			}
		}
	}
	return out
}

// load draws one figure of a load. The numbers of users are often powers of two, so their axis is logarithmic.
func load(id string, l overview.Load, figure int, f overview.LoadFigure) (Chart, bool) {
	var drawn []float64
	for _, p := range l.Points {
		if v, ok := p.Each[figure].Number(); ok {
			drawn = append(drawn, v)
		}
	}
	if len(drawn) < 2 {
		return Chart{}, false
	}
	first, last := l.Points[0], l.Points[len(l.Points)-1]
	title := f.Head + " over users"
	if l.Name != "" {
		title += ", " + readable.Shorten(l.Name, 40)
	}
	out := Chart{ID: id, Title: title, Caption: KneeLine(l), Legend: []legend{{lineClasses[figure], f.Head}},
		Table: Table{Caption: title, Head: []string{"users", f.Head, "knee"}, Left: 1}}
	s := newSVG(id, chartWidth, chartHeight, title, fmt.Sprintf("%s with 1 to %d users: %s with %d, %s with %d", f.Head,
		last.Users, readable.Value(first.Each[figure]), first.Users, readable.Value(last.Each[figure]), last.Users))
	x := axis{float64(first.Users), float64(last.Users), chartLeft + 14, chartWidth - chartRight - 14, true}
	y := scaleOf(drawn, chartHeight-chartBottom, chartTop)
	frame(s, y, f.Unit)
	if l.Knee >= 0 {
		at := x.at(float64(l.Points[l.Knee].Users))
		s.line("border", at, y.from, at, y.to)
		s.text("tick", at+4, y.to-6, "knee")
	}
	var line []point
	free := chartLeft - 20.0 // where the next label may begin
	for i, p := range l.Points {
		at := x.at(float64(p.Users))
		if label := strconv.Itoa(p.Users); at-6 >= free || i == len(l.Points)-1 {
			s.text("tick x", at, y.from+16, label)
			free = at + 7*float64(len(label)) + 4
		}
		v, ok := p.Each[figure].Number()
		line = append(line, point{at, y.at(v), !ok})
		mark := ""
		if i == l.Knee {
			mark = "knee"
		}
		out.Table.Rows = append(out.Table.Rows, Row{Cells: []string{strconv.Itoa(p.Users), readable.Value(p.Each[figure]),
			mark}})
	}
	s.curve("curve "+lineClasses[figure], line)
	for i, p := range l.Points {
		if v, ok := p.Each[figure].Number(); ok {
			s.dot("dot "+lineClasses[figure], line[i].x, y.at(v), 3, fmt.Sprintf("%d users: %s", p.Users,
				readable.Value(p.Each[figure])))
		}
	}
	out.SVG = s.done()
	return out, true
}

// lineClasses are the style classes of the lines of a load.
var lineClasses = [...]string{"c1", "c2", "c3"}

// KneeLine says where the knee of a load is, or why that is not known.
func KneeLine(l overview.Load) string {
	if l.Knee < 0 {
		return "Knee unknown: " + l.Why + "."
	}
	p := l.Points[l.Knee]
	power, _ := p.Power.Number()
	return fmt.Sprintf("Knee at %d users: there throughput divided by the mean time of a reply is largest (%s %s).",
		p.Users, readable.Significant(power, 3), p.Power.Unit)
}
