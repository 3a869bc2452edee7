package report

import (
	"slices"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/overview"
)

// jsonOverview is the cells of a run beside each other.
type jsonOverview struct {
	Axes    []jsonAxis   `json:"axes"`
	Figures []jsonFigure `json:"figures"`
	Cells   []jsonBeside `json:"cells"`
	Loads   []jsonLoad   `json:"loads,omitempty"`
}

// jsonLoad is what users get of a server, over their number.
type jsonLoad struct {
	Axis   string          `json:"axis"`
	Name   string          `json:"name,omitempty"` // values of the other axes
	Points []jsonLoadPoint `json:"points"`
	Knee   *int            `json:"knee_users"`
	Why    string          `json:"why,omitempty"` // there is none
}

type jsonLoadPoint struct {
	Cell    string                  `json:"cell"`
	Users   int                     `json:"users"`
	Figures map[string]jsonStanding `json:"figures"`
}

func loadsJSON(o overview.Overview) (out []jsonLoad) {
	for _, l := range o.Loads() {
		one := jsonLoad{Axis: l.Axis, Name: l.Name, Points: []jsonLoadPoint{}, Why: l.Why}
		if l.Knee >= 0 {
			one.Knee = &l.Points[l.Knee].Users
		}
		for _, p := range l.Points {
			point := jsonLoadPoint{o.Cells[p.Cell].ID, p.Users, map[string]jsonStanding{"power": standing(p.Power)}}
			for i, f := range overview.LoadFigures() {
				point.Figures[f.Name] = standing(p.Each[i])
			}
			one.Points = append(one.Points, point)
		}
		out = append(out, one)
	}
	return out
}

// standing is a value in an overview.
func standing(v metrics.Value) jsonStanding {
	out := jsonStanding{Range: v.Range, Why: v.Why}
	if x, ok := v.Number(); ok {
		out.Value = &x
	}
	return out
}

type jsonAxis struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

type jsonFigure struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Better string    `json:"better"` // higher | lower | neither
	Same   bool      `json:"same,omitempty"`
	Best   *jsonBest `json:"best,omitempty"`
}

type jsonBest struct {
	Cell    string   `json:"cell"`
	Certain bool     `json:"certain"`
	Ranked  int      `json:"ranked"`
	Alike   []string `json:"alike"`
	Beyond  []string `json:"beyond"`
}

type jsonBeside struct {
	Cell    string                  `json:"cell"`
	Figures map[string]jsonStanding `json:"figures"`
}

type jsonStanding struct {
	Value   *float64     `json:"value"`
	Range   *event.Range `json:"range,omitempty"`
	Within  *event.Range `json:"within,omitempty"`
	Repeats int          `json:"repeats,omitempty"`
	Why     string       `json:"why,omitempty"`
}

func overviewJSON(r *metrics.Run) *jsonOverview {
	o, ok := besideOf(r)
	if !ok {
		return nil
	}
	out := jsonOverview{Axes: []jsonAxis{}, Figures: []jsonFigure{}, Cells: []jsonBeside{}}
	for _, a := range o.Axes {
		out.Axes = append(out.Axes, jsonAxis{a.Name, a.Values})
	}
	ids := func(cells []int) []string {
		all := []string{}
		for _, i := range cells {
			all = append(all, o.Cells[i].ID)
		}
		return all
	}
	all := append(slices.Clone(o.Figures), o.Same...)
	for i, f := range all {
		one := jsonFigure{Name: f.Name(), Unit: f.Def.Unit, Better: []string{"lower", "neither", "higher"}[f.Def.Better+1],
			Same: i >= len(o.Figures)}
		if b := f.Best; b != nil {
			one.Best = &jsonBest{o.Cells[b.Cell].ID, b.Certain, b.Ranked, ids(b.Alike), ids(b.Beyond)}
		}
		out.Figures = append(out.Figures, one)
	}
	for i, c := range o.Cells {
		row := jsonBeside{Cell: c.ID, Figures: map[string]jsonStanding{}}
		for _, f := range all {
			v := f.Values[i]
			one := standing(v.Value)
			one.Within, one.Repeats = v.Within, v.Repeats
			row.Figures[f.Name()] = one
		}
		out.Cells = append(out.Cells, row)
	}
	out.Loads = loadsJSON(o)
	return &out
}

// foldedResult is the number of cells above which result.json leaves out what the other reports have: with every
// metric of every cell it would have tens of megabytes.
const foldedResult = 40

// foldedVerdicts is the number of verdicts in such a document.
const foldedVerdicts = 1000

// jsonLeftOut counts what result.json of many cells leaves out.
type jsonLeftOut struct {
	Turns   int `json:"turns"`   // in turns.csv
	Metrics int `json:"metrics"` // in summary.csv
	Passed  int `json:"passed"`  // assertions, in junit.xml
	Others  int `json:"others"`  // assertions, in junit.xml
	Moves   int `json:"moves"`   // of figures since the last run
}

// leave counts a verdict and says whether result.json of many cells leaves it out; l is nil if the cells are few.
func (l *jsonLeftOut) leave(v event.Verdict, listed int) bool {
	switch {
	case l == nil:
		return false
	case metrics.Judge(v) == metrics.Passed:
		l.Passed++
		return true
	case listed >= foldedVerdicts:
		l.Others++
		return true
	}
	return false
}

// leaveCell counts what result.json of many cells leaves out of a cell.
func (l *jsonLeftOut) leaveCell(r *metrics.Run, c *metrics.Cell) {
	l.Turns += len(c.Requests)
	l.Metrics += len(summarise(r, c))
	if c.Since != nil {
		l.Moves += len(c.Since.Moves)
	}
}
