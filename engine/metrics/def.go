package metrics

import (
	"cmp"
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

// Level says what one value of a metric describes.
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

// Fold says how the values of several turns become one number. If some of them are unknown, the number lies between
// the limits that follow from theirs.
type Fold string

// The folds. Ratio divides the sum of the numerators by the sum of the denominators, so that a long turn weighs more
// than a short one; it is not a mean of ratios.
const (
	None  Fold = ""      // the metric has no meaning above one turn
	Mean  Fold = "mean"  // over the turns that did not fail
	Ratio Fold = "ratio" // over the turns that did not fail
	Sum   Fold = "sum"   // over all turns: a failed one makes it unknown
	Max   Fold = "max"   // over all turns: a failed one makes it unknown
	All   Fold = "all"   // true if it is true of every turn
	Last  Fold = "last"  // that of the last turn
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
	Source  string // the source, or the reason for the definition
	Levels  []Level
	Fold    Fold

	FromSending bool // a time that starts with the sending of a request, so it includes the client's lateness
	Baseline    bool // baselines keep it for steps and phases if no gates file says what to keep
	Shown       Shown
	Support     string // what a server must report for this to be known: a key of [event.Server.Unsupported]
	Signed      bool   // may be negative
	anyway      bool   // also defined for a request that failed
	first       bool   // depends on the time to the first token: see withDelay
	answer      bool   // describes an answer: see asked
	length      bool   // depends on the reply length that the scenario sets
	wording     bool   // depends on how the scenario makes the model write or think
	counts      bool   // counts requests or failures, also of groups that were not played to their end
	absent      string
	each        func(*Cell, *event.Request) (v any, why string)
	parts       func(*Cell, *event.Request) (num, den float64, why string)
	over        func(*Cell, []*event.Request) (v any, why string)
	from        func(*Cell, *event.Request) string
	span        func(*Cell, []*event.Request) event.Range // limits of over where it is unknown; nil: any
	drift       string                                    // the metric whose change over the run it is; empty: of none
	beyond      func(*Cell, []*event.Request) bool        // says that what is unknown of over cannot be known
	objective   func(d Def, name string) Def              // the metric for one objective; nil: it is of none
	limits      func(*Cell, *event.Request) event.Range   // limits of an unknown value; nil: the metric's own
	region      func(*Cell, *event.Request) region        // limits of the parts of a ratio that are unknown; nil: any
	spoken      func(*event.Request, *Value)              // adds what is known of an incomplete answer
}

// Value is one value of a metric, or the reason why there is none.
//
// It is exact where V is set. Otherwise Why says what is missing, and Range or SoFar what is known nevertheless: the
// limits of a figure with unknown parts, or the beginning of a text that was cut off.
type Value struct {
	V           any // float64, int, string or bool; nil unless the value is exact
	Unit        string
	Source      string
	Why         string       // set if the value is not exact
	Range       *event.Range // the limits of a number that is not exact
	SoFar       any          // of an answer that was cut off: the value for the part that came; a text begins so
	Unsupported bool         // the server does not report it, which was known before the run
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

// ofAnswer says whether the metric describes an answer.
func (d Def) ofAnswer() Def {
	d.answer = true
	return d
}

// told sets what a server must report for the metric to be known.
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
	if d.ignored(q) {
		v.Why = "the engine does not support " + strings.Join(q.Unkept, " and ")
		return d.supported(c, v)
	}
	switch {
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
		switch timed := d.Support == "cache" && strings.HasPrefix(v.Source, timedSource); {
		case !timed && !slices.Contains(intervals, v.Why):
		case d.limits != nil:
			v = d.between(d.limits(c, q), v)
		case d.region != nil:
			v = d.between(quotients([]region{d.region(c, q)}), v)
		}
	}
	if d.first && informed(v) {
		v = d.withDelay(c, q, v)
	}
	return d.supported(c, v)
}

// ServerTimings is the key of [event.Server.Unsupported] for the server's own times and token counts. Single figures
// that it lacks are there by the names of their metrics.
const ServerTimings = "server_timings"

// Speculation is the key of [event.Server.Unsupported] for the server's report of speculative decoding.
const Speculation = "speculation"

// Tiers is the key of [event.Server.Unsupported] for the server's account of the caches that tokens came from.
const Tiers = "cache_tiers"

// ReplyLength and ReplyText are the keys of [event.Server.Unsupported] for a server that ignores keys of the scenario's
// requests: keys for the length of a reply, or keys for its text.
const (
	ReplyLength = "reply_length"
	ReplyText   = "reply_text"
)

// ofLength are the keys of a request that decide only the length of its reply.
var ofLength = []string{"ignore_eos", "min_tokens"}

// rewords reports whether some keys of a request decide more than the length of its reply.
func rewords(keys []string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return !slices.Contains(ofLength, key) })
}

// Ignored lists what is unknown if a server ignores some keys of requests, as keys of [event.Server.Unsupported].
func Ignored(keys []string) []string {
	if rewords(keys) {
		return []string{ReplyLength, ReplyText}
	}
	return []string{ReplyLength}
}

// ignored reports whether the server ignored a key of the request that the metric depends on.
func (d *Def) ignored(q *event.Request) bool {
	return d.length && len(q.Unkept) > 0 || d.wording && rewords(q.Unkept)
}

// supported marks an unknown value as unsupported if it was known before the run that the server does not report it.
func (d *Def) supported(c *Cell, v Value) Value {
	if v.Known() || d.Support == "" && !d.length && !d.wording || c.Started == nil {
		return v
	}
	cannot := c.Started.Server.Unsupported
	for _, x := range []struct {
		rests bool
		why   string
	}{{d.length, cannot[ReplyLength]}, {d.wording, cannot[ReplyText]}} {
		if x.rests && x.why != "" {
			v.Why, v.Unsupported, v.Range = x.why, true, nil
			return v
		}
	}
	if why := cmp.Or(cannot[d.Support], cannot[d.Name]); why != "" {
		if v.Why, v.Unsupported = why, true; c.cold != nil && v.Range != nil && strings.Contains(v.Source, timedSource) {
			v.Why = c.whyTimed() // the server reports nothing, but its times tell something
		} else {
			v.Range = nil
		}
	}
	return v
}
