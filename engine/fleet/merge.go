package fleet

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
)

// Play is the play of a job by a box, to be made part of its run.
type Play struct {
	Job     Job
	Box     Box
	Attempt int           // number of the attempt in the journal of the run
	After   time.Duration // how long the run had lasted when the box began
	Note    string        // what became of other attempts; empty: there is none
}

// Result is what a play adds to its run.
type Result struct {
	Events  []event.Event
	Aborted string // why the box ended the run early, as an assertion with abort does; empty: it did not
}

// errUnfinished says that the journal of a play ends before the cells do.
var errUnfinished = errors.New("its journal ends before the cells do")

// Read reads the journal of a play. Every cell of the job must have ended, unless the play was aborted.
//
// The events of the run as a whole are judged again by the run, which has all cells. What a box measured of itself
// becomes part of each cell that it played. The ends of the cells come last: a run that is interrupted while it takes a
// result in does not play again what has an end, and would lose what comes after it.
func (p Play) Read(journal io.Reader) (Result, error) {
	m := merging{Play: p, ids: map[string]string{}, started: map[string]bool{}, ended: map[string]bool{}}
	for e, err := range event.Read(journal) {
		if errors.Is(err, event.ErrTorn) {
			break
		}
		if err != nil {
			return Result{}, fmt.Errorf("the journal of box %s: %w", p.Box.Name, err)
		}
		m.add(e.Later(p.After))
	}
	if len(m.ended) < len(p.Job.Cells) && m.out.Aborted == "" {
		return Result{}, errUnfinished
	}
	m.out.Events = append(m.out.Events, m.ends...)
	return m.out, nil
}

type merging struct {
	Play
	ids     map[string]string // of the run's cells, by those of the box
	own     []event.Body      // what the box measured of itself before a cell began
	started map[string]bool
	ended   map[string]bool
	ends    []event.Event
	out     Result
}

func (m *merging) add(e event.Event) {
	if e.Cell == "" {
		m.addOwn(e)
		return
	}
	if b, ok := e.Body.(event.CellPlanned); ok {
		m.plan(e, b)
		return
	}
	id, ours := m.ids[e.Cell]
	if !ours {
		return
	}
	e.Cell = id
	if b, ok := e.Body.(event.CellStarted); ok {
		m.start(e, b)
		return
	}
	_, done := e.Body.(event.CellDone)
	_, failed := e.Body.(event.CellFailed)
	if done || failed {
		m.end(e)
		return
	}
	m.keep(e)
}

func (m *merging) start(e event.Event, b event.CellStarted) {
	b.Attempt = m.Attempt
	b.Box = &event.Box{Name: m.Box.Name, Homellm: m.Box.Homellm, Host: m.Box.Host}
	m.keep(event.Event{At: e.At, Cell: e.Cell, Body: b})
	m.started[e.Cell] = true
	if m.Note != "" {
		m.keep(event.Event{At: e.At, Cell: e.Cell, Body: event.Note{Code: "attempts", Text: m.Note}})
	}
	for _, body := range m.own {
		m.keep(event.Event{At: e.At, Cell: e.Cell, Body: body})
	}
}

// addOwn adds what concerns all cells of the play.
func (m *merging) addOwn(e event.Event) {
	switch b := e.Body.(type) {
	case event.RunStarted:
		m.Box.Homellm, m.Box.Host = b.Homellm, b.Host
		return
	case event.RunDone:
		m.out.Aborted = b.Aborted
		return
	case event.Note:
		if b.Code == indistinct {
			return // on a verdict over all cells, which the run finds again
		}
	case event.Facts, event.Sample:
	case event.CellPlanned, event.CellStarted, event.Request, event.Verdict, event.Attained, event.CellDone,
		event.CellFailed, event.RoundDone, event.ColdPrompts, event.Windows, event.SinceLast:
		return
	}
	m.own = append(m.own, e.Body)
	for _, c := range m.Job.Cells {
		if m.started[c.ID] {
			m.keep(event.Event{At: e.At, Cell: c.ID, Body: e.Body})
		}
	}
}

// indistinct is the code of notes on verdicts that compare cells.
const indistinct = "indistinct"

// plan finds the cell of the run with the labels of one of the box. A cell that the box cannot play has ended.
func (m *merging) plan(e event.Event, b event.CellPlanned) {
	var labels []dsl.Label
	for _, l := range b.Labels {
		labels = append(labels, dsl.Label{Name: l.Name, Value: l.Value})
	}
	for _, c := range m.Job.Cells {
		if !slices.Equal(c.Labels, labels) {
			continue
		}
		m.ids[e.Cell] = c.ID
		if b.Skip != "" {
			b.Skip = "box " + m.Box.Name + ": " + b.Skip
			e.Cell, e.Body = c.ID, b
			m.end(e)
		}
	}
}

func (m *merging) end(e event.Event) {
	m.ended[e.Cell] = true
	m.ends = append(m.ends, e)
}

func (m *merging) keep(e event.Event) { m.out.Events = append(m.out.Events, e) }
