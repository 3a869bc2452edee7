package report

import (
	"strconv"

	"homellm/engine/overview"
	"homellm/engine/report/chart"
	"homellm/engine/report/readable"
)

// loadTable is what users get of a server, over their number.
type loadTable struct {
	head []string
	rows [][]string
	line string // where the knee is
}

func loadTables(o overview.Overview) (out []loadTable) {
	for _, l := range o.Loads() {
		t := loadTable{head: []string{l.Axis}, line: chart.KneeLine(l)}
		if l.Name != "" {
			t.line = l.Name + ": " + t.line
		}
		for _, f := range overview.LoadFigures() {
			t.head = append(t.head, f.Head)
		}
		t.head = append(t.head, "power tok/s²")
		for i, p := range l.Points {
			row := []string{strconv.Itoa(p.Users)}
			if i == l.Knee {
				row[0] += " knee"
			}
			for _, v := range p.Each {
				row = append(row, readable.Value(v))
			}
			t.rows = append(t.rows, append(row, powerOf(p)))
		}
		out = append(out, t)
	}
	return out
}

// powerOf is the power of a point, or its limits.
func powerOf(p overview.LoadPoint) string {
	short := func(v float64) string { return readable.Significant(v, 3) }
	if v, ok := p.Power.Number(); ok {
		return short(v)
	}
	if r := p.Power.Range; r != nil {
		return readable.Range(r.Low, r.High, short)
	}
	return readable.Unknown
}
