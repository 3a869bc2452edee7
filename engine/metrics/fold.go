package metrics

import (
	"slices"
	"time"

	"homellm/engine/event"
)

// Run is the fold of a journal: everything its events add up to. The zero value is an empty run. Only [Run.Add]
// changes it, and needs no other input, so the fold of a replayed journal equals the fold of the live run.
//
// A Run is used from one goroutine.
type Run struct {
	Started event.RunStarted
	Cells   []*Cell // in the order they were planned
	Notes   []event.Note
	Done    *event.RunDone // nil while the run is in progress, and for good if it was cut off

	withdrawn []withdrawal
	byID      map[string]*Cell
	steps     map[[2]string]spot       // of the scenario; nil: not computed yet
	shelf     map[string]*Cell         // cells of an earlier plan that the new one has not named yet
	observed  map[string][]observation // facts and samples that belong to no cell
}

// Cell is the fold of one cell's latest attempt.
type Cell struct {
	ID       string
	Planned  event.CellPlanned
	Started  *event.CellStarted // nil if no attempt has started
	Requests []*event.Request   // in the order they ended, warm-ups and failures included
	Notes    []event.Note
	Verdicts []event.Verdict
	Done     *event.CellDone
	Failed   *event.CellFailed
	Since    *event.SinceLast // nil: it has not been played before, or has not ended

	run       *Run
	observed  map[string][]observation
	tally     tally
	index     index
	cold      *coldFit // nil: time does not tell how much of a prompt was cached
	withdrawn string   // why the server's report of cached tokens was withdrawn
	stale     bool     // the cell was judged before the report was withdrawn
	delays    *delays  // of the requests; nil: not computed
}

// observation is one value of a sample or a fact.
type observation struct {
	at     time.Duration
	value  float64
	source string
	fact   bool
}

// Add folds one event into the run.
func (r *Run) Add(e event.Event) {
	if _, end := e.Body.(event.RunDone); !end {
		r.Done = nil // the times of a resumed run continue after the end of the first one
	}
	switch b := e.Body.(type) {
	case event.RunStarted:
		r.begin(canonicalRun(b))
	case event.RunDone:
		b.Aborted = encoded(b.Aborted)
		r.Done = &b
	case event.CellPlanned:
		r.cell(e.Cell).Planned = b
	case event.CellStarted:
		c := r.cell(e.Cell)
		c.start(canonicalStart(b))
		c.withdrawn = r.withdrawnFrom(b.Server)
	case event.Request:
		b = canonicalRequest(b)
		c := r.cell(e.Cell)
		c.disbelieve(&b)
		c.Requests = append(c.Requests, &b)
		c.tally.add(&b)
	case event.Verdict:
		c := r.cell(e.Cell)
		c.Verdicts = append(c.Verdicts, canonicalVerdict(b))
	case event.CellDone:
		b.Err = encoded(b.Err)
		c := r.cell(e.Cell)
		c.Done, c.stale = &b, false
		if text, ok := c.Estimate().note(); ok {
			c.note(event.Note{Code: "estimated", Text: text})
		}
	case event.CellFailed:
		b.Err, b.Hint = encoded(b.Err), encoded(b.Hint)
		r.cell(e.Cell).Failed = &b
	case event.Note:
		r.addNote(e.Cell, b)
	case event.Sample:
		r.observe(e, b.Values, "", false)
	case event.ColdPrompts:
		r.cell(e.Cell).addCold(b)
	case event.Facts:
		r.observe(e, b.Values, b.Source, true)
	case event.SinceLast:
		r.cell(e.Cell).Since = new(canonicalSince(b))
	}
}

// addNote adds a note to a cell, or to the run.
func (r *Run) addNote(cell string, b event.Note) {
	b.Text = encoded(b.Text)
	if cell == "" {
		r.Notes = append(r.Notes, b)
		return
	}
	c := r.cell(cell)
	switch {
	case b.Code == JudgedAgain:
		c.Verdicts = nil
		c.note(b)
	case b.Code == Withdrawn && c.Started != nil:
		r.withdraw(c.Started.Server, b.Text)
		fallthrough
	default:
		c.Notes = append(c.Notes, b)
	}
}

// unchecked is the note on a journal that was written before lines had checksums.
var unchecked = event.Note{Code: "unchecked", Text: "the journal is of a version without checks: " +
	"if it was damaged or edited, nothing shows it, and it becomes no baseline"}

// begin opens a run. A second opening in one journal is that of a changed plan: cells that the new plan does not name
// are no longer part of the run.
func (r *Run) begin(b event.RunStarted) {
	r.Started, r.steps = b, nil
	if !b.Checked() && !slices.Contains(r.Notes, unchecked) {
		r.Notes = append(r.Notes, unchecked)
	}
	r.shelf = r.byID
	r.Cells, r.byID = nil, nil
}

// start begins an attempt, which replaces everything of an earlier attempt. Notes from before the first attempt stay.
func (c *Cell) start(b event.CellStarted) {
	if c.Started != nil || c.Failed != nil {
		*c = Cell{ID: c.ID, Planned: c.Planned, run: c.run}
	}
	c.Started = &b
}

// Cell returns the cell with an id, or nil if no event named it.
func (r *Run) Cell(id string) *Cell { return r.byID[id] }

func (r *Run) cell(id string) *Cell {
	if c := r.byID[id]; c != nil {
		return c
	}
	c := &Cell{ID: id, run: r}
	if earlier := r.shelf[id]; earlier != nil {
		c = earlier
		c.Since = nil // that is found again when the run ends
	}
	if r.byID == nil {
		r.byID = map[string]*Cell{}
	}
	r.byID[id] = c
	r.Cells = append(r.Cells, c)
	return c
}

func (r *Run) observe(e event.Event, values map[string]float64, source string, fact bool) {
	into := &r.observed
	if e.Cell != "" {
		into = &r.cell(e.Cell).observed
	}
	if *into == nil {
		*into = map[string][]observation{}
	}
	for name, v := range values {
		(*into)[name] = append((*into)[name], observation{at: e.At, value: v, source: source, fact: fact})
	}
}

// Finished says whether a resumed run leaves the cell alone.
func (c *Cell) Finished() bool { return c.Done != nil }

// Run is the run of the cell.
func (c *Cell) Run() *Run { return c.run }

// Simulated says whether homellm's simulator answered for the cell.
func (c *Cell) Simulated() bool { return c.Started != nil && c.Started.Server.Simulated }

// Group selects measured requests of a cell. A zero field means all.
type Group struct {
	Repeat       int
	Conversation string
	Step         string
	Turn         int // within the step
	Phase        string
}

// Passes splits the requests of the cell into its passes, warm-ups apart, in the order they began.
func (c *Cell) Passes() [][]*event.Request {
	type pass struct {
		n      int
		warmup bool
	}
	at := map[pass]int{}
	var out [][]*event.Request
	for _, q := range c.Requests {
		p := pass{q.Repeat, q.Warmup}
		i, ok := at[p]
		if !ok {
			i = len(out)
			at[p] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], q)
	}
	return out
}

// Cancelled says whether the end of the run cut the request off: it is then neither a success nor a failure of the
// server.
func Cancelled(q *event.Request) bool { return q.Err != nil && q.Err.Class == "cancelled" }

// observations returns the values of a cell metric: every fact, and the samples taken while the measured requests
// were played.
func (c *Cell) observations(name string) (values []float64, source string, dropped int) {
	all := c.observed[name]
	if len(all) == 0 && c.run != nil {
		all = c.run.observed[name]
	}
	var from, to time.Duration
	played := false
	if slices.ContainsFunc(all, func(o observation) bool { return !o.fact }) {
		from, to, played = c.window()
	}
	for _, o := range all {
		if !o.fact && played && (o.at < from || o.at > to) {
			dropped++
			continue
		}
		values = append(values, o.value)
		if o.source != "" {
			source = o.source
		}
	}
	return values, source, dropped
}

// window is the time from the first measured request to the end of the last.
func (c *Cell) window() (from, to time.Duration, ok bool) {
	for i, q := range c.Measured(Group{}) {
		begin := q.Due
		if i == 0 || begin < from {
			from = begin
		}
		to = max(to, q.Done)
		ok = true
	}
	return from, to, ok
}

// addCold takes in cold prompts: those before the first pass make the curve, and later ones tell whether it holds.
func (c *Cell) addCold(b event.ColdPrompts) {
	if b.After > 0 {
		c.cold.add(b)
	} else if c.cold == nil {
		c.cold = fitCold(b)
	}
}
