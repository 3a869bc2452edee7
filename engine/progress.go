package engine

import (
	"time"

	"homellm/dsl"
	"homellm/engine/event"
)

// Progress is how far a run is, for display only.
type Progress struct {
	Cell         string // labels of the cell, such as "sim x qwen2.5-3b"
	Repeat       int    // 0: no turn of the cell has begun
	Repeats      int
	Warmup       bool
	Conversation string
	Step         string // the step, or who plays at the same time
	Turn         int
	Waiting      string        // what the run is waiting for, if not for a turn
	Done, Total  int           // turns; the total is 0 if cells are played for a time
	TTFT         time.Duration // of the latest finished turn; 0 before there is one
	TokensPerSec float64       // decode rate of the latest finished turn; 0 before there is one
	Errors       int
	Elapsed      time.Duration
	ETA          time.Duration // rest of the run at the present pace; 0 until a tenth is done
	AtMost       bool          // ETA is the rest of a time budget: the run ends earlier if every gate is certain
	Windows      bool          // repeats are windows of the time for which a cell is played
}

// progress counts turns. Only the goroutine that plays uses it.
type progress struct {
	plan  *dsl.Plan
	tell  func(Progress)
	start time.Time
	until time.Time     // end of the budget in use; zero: there is none
	aim   int           // repeats at the next look
	end   time.Time     // of the time for which the cell is played; zero: there is none, or it has not begun
	later time.Duration // for which further cells are played
	now   Progress
}

func newProgress(plan *dsl.Plan, tell func(Progress)) *progress {
	if tell == nil {
		tell = func(Progress) {}
	}
	return &progress{plan: plan, tell: tell, start: time.Now()}
}

func (p *progress) begin(passes []pass) {
	for _, x := range passes {
		c := p.plan.Cells[x.cell]
		switch d := c.Scenario.Run.Duration; {
		case d == 0:
			p.now.Total += len(c.Turns)
		case !x.warmup:
			p.later += d
		}
	}
}

// lasts says that the time for which a cell is played begins.
func (p *progress) lasts(w *windows) {
	all := w.each * dsl.Windows
	p.end, p.later = w.began.Add(all), max(0, p.later-all)
}

// extend adds passes that a budget pays for: until when, and up to how many repeats.
func (p *progress) extend(passes []pass, until time.Time, aim int) {
	p.begin(passes)
	p.until, p.aim = until, aim
}

// waiting reports a wait for something other than a turn, until the returned function is called.
func (p *progress) waiting(c *dsl.Cell, what string) (done func()) {
	before := p.now.Waiting
	p.now.Cell, p.now.Repeat, p.now.Waiting = c.String(), 0, what
	p.report()
	return func() {
		p.now.Waiting = before
		p.report()
	}
}

func (p *progress) turn(c *dsl.Cell, at pass, conv *dsl.Conversation, step *dsl.Step, t dsl.Turn) {
	p.now.Cell = c.String()
	p.now.Repeat, p.now.Repeats, p.now.Warmup = at.repeat, max(c.Scenario.Run.Repeats, p.aim), at.warmup
	p.now.Windows = at.windows != nil
	if at.warmup {
		p.now.Repeats = c.Scenario.Run.Warmup
	}
	p.now.Conversation, p.now.Step, p.now.Turn = conv.Name(), step.ID, t.N
	if c.Scenario.AtOnce() { // each is elsewhere
		p.now.Conversation, p.now.Step, p.now.Turn = "", c.Scenario.Who(), 0
	}
	p.report()
}

func (p *progress) reply(e event.Exchange) {
	p.now.Done++
	if e.Err != nil {
		p.now.Errors++
	} else if n := len(e.Chunks); n > 0 && e.Sent != nil {
		p.now.TTFT = e.Chunks[0].At - *e.Sent
		if span := e.Chunks[n-1].At - e.Chunks[0].At; span > 0 && e.Usage.Completion != nil {
			p.now.TokensPerSec = float64(*e.Usage.Completion-1) / span.Seconds()
		}
	}
	p.report()
}

func (p *progress) report() {
	p.now.Elapsed = time.Since(p.start)
	p.now.ETA, p.now.AtMost = 0, !p.until.IsZero()
	if p.now.AtMost {
		p.now.ETA = max(0, time.Until(p.until))
	} else if !p.end.IsZero() || p.later > 0 {
		p.now.ETA = p.later + max(0, time.Until(p.end))
	} else if p.now.Done > 0 && p.now.Done*10 >= p.now.Total && p.now.Total > p.now.Done {
		p.now.ETA = p.now.Elapsed / time.Duration(p.now.Done) * time.Duration(p.now.Total-p.now.Done)
	}
	p.tell(p.now)
}
