package metrics

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"homellm/engine/event"
)

// Kind is the type of a metric's value.
type Kind string

// The kinds and the Go types behind them.
const (
	Float  Kind = "float"  // float64
	Int    Kind = "int"    // int
	String Kind = "string" // string
	Bool   Kind = "bool"   // bool
)

// Level says what one value of a metric belongs to.
type Level string

// The levels.
const (
	TurnLevel         Level = "turn"         // one request and its reply
	ConversationLevel Level = "conversation" // all turns of one conversation in one repeat
	RunLevel          Level = "run"          // all measured turns of a cell
	CellLevel         Level = "cell"         // observed beside the turns of a cell: the machine, the server's start
)

// Levels that many metrics have.
var (
	turns       = []Level{TurnLevel}
	turnsAndRun = []Level{TurnLevel, RunLevel}
	groups      = []Level{ConversationLevel, RunLevel}
)

// Fold says how the values of several turns become one number. Where one of them is unknown, the number lies between
// the limits that the unknown ones have.
type Fold string

// The folds. Ratio divides the sum of the numerators by the sum of the denominators, so that a
// long turn weighs more than a short one; it is never a mean of means.
const (
	None  Fold = ""      // the metric has no meaning above one turn
	Mean  Fold = "mean"  // over the turns that did not fail
	Ratio Fold = "ratio" // over the turns that did not fail
	Sum   Fold = "sum"   // over all turns: a failed one makes it unknown
	Max   Fold = "max"   // over all turns: a failed one makes it unknown
	All   Fold = "all"   // true if it is true of every turn
)

// Def defines one metric. The expression language, the reports, the comparison and the docs all
// read this table; adding a metric is adding an entry to [Defs].
type Def struct {
	Name    string // as in expressions, below turn., steps.<id>. and the like
	Unit    string // ms, s, tokens, tokens/s, ratio, …; empty for text and truth
	Kind    Kind
	Better  int  // +1: higher is better, -1: lower is better, 0: neither
	Rate    bool // always within 0..1
	Doc     string
	Formula string // in the terms of docs/metrics.md
	Source  string // who says so, or why it is defined this way
	Levels  []Level
	Fold    Fold

	FromSending bool // a time from the sending of a request on: as late as the client's clock is
	Baseline    bool // of steps and phases kept in a baseline where no gates file says what is
	Shown       Shown
	Support     string // what a server must tell for this to be known: a key of [event.Server.Unsupported]
	Signed      bool   // may lie below 0
	anyway      bool   // also defined for a request that failed
	first       bool   // rests on the time to the first token: see held
	answer      bool   // tells something of an answer: see asked
	length      bool   // rests on how long the scenario has replies be
	counts      bool   // counts requests or their failures, of groups that were not played to their end as well
	absent      string
	each        func(*Cell, *event.Request) (v any, why string)
	parts       func(*Cell, *event.Request) (num, den float64, why string)
	over        func(*Cell, []*event.Request) (v any, why string)
	from        func(*Cell, *event.Request) string
	span        func(*Cell, []*event.Request) event.Range // of over where it is unknown; nil: any
	limits      func(*Cell, *event.Request) event.Range   // of a value that is unknown; nil: those of every value
	region      func(*Cell, *event.Request) region        // of parts that are unknown; nil: any
	spoken      func(*event.Request, *Value)              // adds what is known of an answer that is not whole
}

// Value is one value of a metric, or the reason why there is none.
//
// It is exact where V is set. Otherwise Why says what is missing, and Range or SoFar what is known all
// the same: the limits of a figure some of whose members are unknown, or how a text begins that was cut.
type Value struct {
	V           any // float64, int, string or bool; nil unless the value is exact
	Unit        string
	Source      string
	Why         string       // not empty: not exact
	Range       *event.Range // of a number that is not exact: it lies in here
	SoFar       any          // of an answer that was cut: what the value is of as much as came; a text begins like this
	Unsupported bool         // nobody can tell, which was known before the run
}

// Known says whether the value was measured.
func (v Value) Known() bool { return v.Why == "" }

// Number returns the value as a number; ok is false for an unknown value, text and truth.
func (v Value) Number() (f float64, ok bool) {
	if v.Why != "" {
		return 0, false
	}
	return number(v.V)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}

// At says whether the metric has values at a level.
func (d *Def) At(l Level) bool { return slices.Contains(d.Levels, l) }

// Aggregate says whether the values of several turns fold into one.
func (d *Def) Aggregate() bool { return d.Fold != None }

// Numeric says whether the metric has distributions.
func (d *Def) Numeric() bool { return d.Kind == Float || d.Kind == Int }

// ofAnswer says that the metric tells something of an answer.
func (d Def) ofAnswer() Def {
	d.answer = true
	return d
}

// told says what a server must tell for the metric to be known.
func (d Def) told(key string) Def {
	d.Support = key
	return d
}

// intervals are the reasons for which the value of one turn is shown as an interval.
var intervals = []string{coalesced, buffered, bundled, afterText}

// Each returns the metric of one request of the cell.
func (d *Def) Each(c *Cell, q *event.Request) Value {
	v := Value{Unit: d.Unit, Source: d.Source}
	if q.Err != nil && !d.anyway {
		v.Why = "the request failed: " + q.Err.Class
		return v
	}
	if d.from != nil {
		v.Source = d.from(c, q)
	}
	switch {
	case d.length && unkept(q):
		v.Why = "the engine has no word for " + strings.Join(q.Unkept, " and ")
	case d.parts != nil:
		var num, den float64
		if num, den, v.Why = d.parts(c, q); v.Why == "" {
			v.V = num / den
		}
	case d.each != nil:
		v.V, v.Why = d.each(c, q)
	default:
		v.Why = d.Name + " is not a metric of a turn"
	}
	if v.Why != "" {
		if v.V = nil; d.spoken != nil {
			d.spoken(q, &v)
		}
		switch timed := d.Support == "cache" && v.Source == timedSource; {
		case !timed && !slices.Contains(intervals, v.Why):
		case d.limits != nil:
			v = d.between(d.limits(c, q), v)
		case d.region != nil:
			v = d.between(quotients([]region{d.region(c, q)}), v)
		}
	}
	if v.Why == "" && d.first {
		v = d.withheld(c, q, v)
	}
	return d.supported(c, v)
}

// ServerTimings is the key of [event.Server.Unsupported] for the server's own account of its times and tokens. What it
// lacks of them is there by the names of the metrics.
const ServerTimings = "server_timings"

// Speculation is the key of [event.Server.Unsupported] for the server's account of speculative decoding.
const Speculation = "speculation"

// ReplyLength is the key of [event.Server.Unsupported] for a server that has no word for the keys of requests that
// decide how long a reply is.
const ReplyLength = "reply_length"

// supported says of a value that is unknown whether the server cannot tell it, which was established before the run.
func (d *Def) supported(c *Cell, v Value) Value {
	if v.Known() || d.Support == "" && !d.length || c.Started == nil {
		return v
	}
	cannot := c.Started.Server.Unsupported
	if why := cannot[ReplyLength]; why != "" && d.length {
		v.Why, v.Unsupported, v.Range = why, true, nil
		return v
	}
	if why := cmp.Or(cannot[d.Support], cannot[d.Name]); why != "" {
		if v.Why, v.Unsupported = why, true; c.cold != nil && v.Range != nil && strings.Contains(v.Source, timedSource) {
			v.Why = c.cold.why // the server tells nothing, and its times something
		} else {
			v.Range = nil
		}
	}
	return v
}

// Explain describes the metric on a few lines of plain text.
func (d *Def) Explain() string {
	var b strings.Builder
	unit := ""
	if d.Unit != "" {
		unit = " (" + d.Unit + ")"
	}
	fmt.Fprintf(&b, "%s%s\n  %s\n", d.Name, unit, d.Doc)
	if d.Formula != "" {
		fmt.Fprintf(&b, "  formula: %s\n", d.Formula)
	}
	fmt.Fprintf(&b, "  source: %s\n", d.Source)
	return b.String()
}
