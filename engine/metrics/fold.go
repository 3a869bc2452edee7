package metrics

import (
	"slices"
	"time"

	"homellm/engine/event"
	"homellm/engine/stats"
)

// Run is the fold of a journal: everything its events add up to. The zero value is an empty run. Only [Run.Add]
// changes it, and needs no other input, so the fold of a replayed journal equals the fold of the live run.
//
// A Run is used from one goroutine.
type Run struct {
	Started event.RunStarted
	Cells   []*Cell // in the order they were planned
	Notes   []event.Note
	Overall []event.Verdict   // of the assertions over all cells
	Done    *event.RunDone    // nil while the run is in progress, and for good if it was cut off
	Rounds  []event.RoundDone // of a search among the cells

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
	Windows  *event.Windows   // of the time for which it is played; nil: it has repeats, or they have not begun
	Since    *event.SinceLast // nil: there is no earlier run of the cell, or this run has not ended

	run       *Run
	observed  map[string][]observation
	tally     tally
	index     index
	cold      *coldFit // nil: time does not tell how much of a prompt was cached
	withdrawn string   // why the server's report of cached tokens was withdrawn
	stale     bool     // the cell was judged before the report was withdrawn
	delays    *delays  // of the requests; nil: not computed

	judged   map[judgedOf]event.Attained            // which turns missed the objectives
	attained map[string]map[*event.Request]attained // the same by turn; nil: not computed
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
		c.withdrawn = r.withdrawnFrom(b)
	case event.Request:
		b = canonicalRequest(b)
		c := r.cell(e.Cell)
		c.disbelieve(&b)
		c.Requests = append(c.Requests, &b)
		c.tally.add(&b)
	case event.Verdict:
		if e.Cell == "" {
			r.judge(canonicalVerdict(b))
			return
		}
		c := r.cell(e.Cell)
		c.Verdicts = append(c.Verdicts, canonicalVerdict(b))
	case event.Attained:
		r.cell(e.Cell).attain(b)
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
	case event.RoundDone:
		r.Rounds = append(r.Rounds, b)
	case event.Note:
		r.addNote(e.Cell, b)
	case event.Sample:
		r.observe(e, b.Values, "", false)
	case event.ColdPrompts:
		r.cell(e.Cell).addCold(b)
	case event.Windows:
		r.cell(e.Cell).Windows = &b
	case event.Facts:
		r.observe(e, b.Values, b.Source, true)
	case event.SinceLast:
		r.cell(e.Cell).Since = new(canonicalSince(b))
	}
}

// judge keeps a verdict over all cells. A resumed run finds it again, and the later one counts.
func (r *Run) judge(v event.Verdict) {
	title := v.Title()
	r.Overall = slices.DeleteFunc(r.Overall, func(o event.Verdict) bool { return o.Title() == title })
	r.Overall = append(r.Overall, v)
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
		r.withdraw(*c.Started, b.Text)
		fallthrough
	default:
		c.Notes = append(c.Notes, b)
	}
}

// unchecked is the note on a journal that was written before lines had checksums.
var unchecked = event.Note{Code: "unchecked", Text: "the journal was written by a version without checksums: damage " +
	"or edits would not be noticed, so it cannot become a baseline"}

// begin opens a run. A second opening in one journal is that of a changed plan: cells that the new plan does not name
// are no longer part of the run.
func (r *Run) begin(b event.RunStarted) {
	r.Started, r.steps = b, nil
	if !b.Checked() && !slices.Contains(r.Notes, unchecked) {
		r.Notes = append(r.Notes, unchecked)
	}
	r.shelf = r.byID
	r.Cells, r.byID, r.Overall, r.Rounds = nil, nil, nil, nil
}

// start begins an attempt, which replaces everything of an earlier attempt. Notes from before the first attempt stay.
func (c *Cell) start(b event.CellStarted) {
	if c.Started != nil || c.Failed != nil {
		before := *c
		*c = Cell{ID: c.ID, Planned: c.Planned, run: c.run}
		if b.Keeps > 0 {
			c.keep(before, b.Keeps)
		}
	}
	c.Started = &b
}

// keep takes over what an earlier attempt measured up to a repeat, with the warm-ups before it.
func (c *Cell) keep(before Cell, repeats int) {
	c.Notes, c.observed, c.cold = before.Notes, before.observed, before.cold
	var end time.Duration
	for _, q := range before.Requests {
		if !q.Warmup && q.Repeat <= repeats {
			end = max(end, q.Done)
		}
	}
	for _, q := range before.Requests {
		if q.Done <= end && (q.Warmup || q.Repeat <= repeats) {
			c.Requests = append(c.Requests, q)
			c.tally.add(q)
		}
	}
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
		c.Since = nil // it is determined again when the run ends
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

// Complete reports whether the cell was played to its end, and did not end early.
func (c *Cell) Complete() bool { return c.Done != nil && c.Done.Err == "" }

// Looks are the judgements that decided how much of the cell was played; nil if it has not ended or had no time budget.
func (c *Cell) Looks() stats.Looks {
	if c.Done == nil {
		return nil
	}
	return c.Done.Looks
}

// Run is the run of the cell.
func (c *Cell) Run() *Run { return c.run }

// Simulated says whether homellm's simulator answered for the cell.
func (c *Cell) Simulated() bool { return c.Started != nil && c.Started.Server.Simulated }

// Group selects measured requests of a cell. A zero field means all.
type Group struct {
	Repeat       int
	Play         int // of the conversation in its window
	User         int
	Conversation string
	Item         int // of the conversation's data set
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
		from, to, played = c.Window()
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

// Window is the time from the first measured request to the end of the last.
func (c *Cell) Window() (from, to time.Duration, ok bool) {
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

// addCold adds cold prompts: the curve is fitted to those before the first pass, and later ones show whether it still
// holds.
func (c *Cell) addCold(b event.ColdPrompts) {
	if b.After > 0 {
		c.cold.add(b)
	} else if c.cold == nil {
		c.cold = fitCold(b)
	}
}
