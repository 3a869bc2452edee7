package listing

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"homellm/dsl/figure"
	"homellm/engine/event"
	"homellm/engine/report"
	"homellm/engine/report/readable"
	"homellm/engine/text"
	"homellm/engine/tune"
)

// Tuning is what a search for the best variant of a server has found.
type Tuning struct {
	Schema   string         `json:"schema"`
	Run      string         `json:"run"` // the folder of its results
	For      string         `json:"for"`
	Unit     string         `json:"unit"`
	Better   string         `json:"better"` // lower or higher
	Where    string         `json:"where,omitempty"`
	Server   string         `json:"server"`
	Rounds   int            `json:"rounds"`
	Spent    float64        `json:"spent_s"`
	Budget   float64        `json:"budget_s"`
	Verdict  string         `json:"verdict"` // winner or none
	Why      string         `json:"why"`
	Winner   *string        `json:"winner"` // id of its cell
	Profile  *string        `json:"profile"`
	Variants []TunedVariant `json:"variants"`
	Unknown  unknown        `json:"unknown"`
	outcome  tune.Outcome
	axes     []string
	scores   []string
}

// TunedVariant is one variant, the best first.
type TunedVariant struct {
	Cell      string         `json:"cell"`
	Labels    []event.Label  `json:"labels"`
	Standing  tune.Standing  `json:"standing"`
	Condition tune.Condition `json:"condition"`
	Rounds    int            `json:"rounds"`
	Value     *float64       `json:"value"`
	MemoryMiB *float64       `json:"memory_mib"`
	PassRates []TunedScore   `json:"pass_rates"`
	Behind    *TunedLag      `json:"behind,omitempty"` // the leader; absent for the leader, and without common rounds
	Front     bool           `json:"front"`
	Why       string         `json:"why,omitempty"`
	Log       []string       `json:"log,omitempty"` // last lines of the server's log, if it did not start
	Unknown   unknown        `json:"unknown"`
}

// TunedScore is the pass rate of one assertion.
type TunedScore struct {
	Name    string   `json:"name"`
	Rate    *float64 `json:"rate"`
	Unknown unknown  `json:"unknown"`
}

// TunedLag is how far a variant is behind the leader, round by round, in the unit of the figure.
type TunedLag struct {
	By       float64  `json:"by"`
	Low      *float64 `json:"low"` // of the 95 % interval
	High     *float64 `json:"high"`
	Relative *float64 `json:"relative"` // to the leader's value
	Rounds   int      `json:"rounds"`   // that both have
	Unknown  unknown  `json:"unknown"`
}

// Trial is a search, as its document shows it.
type Trial struct {
	Dir     string
	Server  string   // its profile
	Axes    []string // the names of its variants
	Scores  []string // paths of pass rates
	Trial   *tune.Trial
	Outcome tune.Outcome
	Spent   time.Duration
	Profile string                     // a servers file with the winner, else the leader; empty: there is neither
	Log     func(cell string) []string // the last lines of the log of a server that did not start
}

// OfTuning is the document of a search.
func OfTuning(t Trial) Tuning {
	o := t.Outcome
	d := Tuning{Schema: schemaOf("tune"), Run: t.Dir, For: t.Trial.Search.For, Unit: t.Trial.Objective.Def.Unit,
		Better: map[int]string{-1: "lower", 1: "higher"}[t.Trial.Objective.Def.Better], Where: t.Trial.Search.Where,
		Server: t.Server, Rounds: o.Rounds, Spent: t.Spent.Seconds(), Budget: t.Trial.Search.Budget.Seconds(),
		Verdict: "none", Variants: []TunedVariant{}, Unknown: unknown{}, outcome: o, axes: t.Axes, scores: t.Scores}
	for _, r := range o.Rows {
		d.Variants = append(d.Variants, d.variant(r, t))
	}
	d.Why = d.conclusion()
	if o.Winner >= 0 && o.Ended {
		d.Verdict, d.Winner = "winner", &d.Variants[0].Cell
	} else {
		d.Unknown["winner"] = d.Why
	}
	if t.Profile != "" {
		d.Profile = &t.Profile
	} else {
		d.Unknown["profile"] = "no variant has values and meets the condition"
	}
	return d
}

func (d *Tuning) variant(r tune.Row, t Trial) TunedVariant {
	v := TunedVariant{Cell: r.Cell.ID, Labels: r.Labels(t.Axes), Standing: r.Standing, Condition: r.Condition,
		Rounds: r.Rounds, PassRates: []TunedScore{}, Front: r.Front, Why: r.Why, Unknown: unknown{}}
	if x, ok := r.Value.Number(); ok {
		v.Value = &x
	} else {
		v.Unknown["value"] = cmp.Or(r.Value.Why, "nothing was measured")
	}
	if x, ok := r.Memory.Number(); ok {
		v.MemoryMiB = &x
	} else {
		v.Unknown["memory_mib"] = cmp.Or(r.Memory.Why, "no memory was measured")
	}
	for i, path := range d.scores {
		name, _ := figure.CutScore(path)
		s := TunedScore{Name: name, Unknown: unknown{}}
		if x, ok := r.Scores[i].Number(); ok {
			s.Rate = &x
		} else {
			s.Unknown["rate"] = cmp.Or(r.Scores[i].Why, "nothing was judged")
		}
		v.PassRates = append(v.PassRates, s)
	}
	if b := r.Behind; b != nil {
		sign := -float64(t.Trial.Objective.Def.Better)
		lag := TunedLag{By: sign * b.By, Rounds: r.Common, Unknown: unknown{}}
		low, high := min(sign*b.Lo, sign*b.Hi), max(sign*b.Lo, sign*b.Hi)
		const few = "the rounds are too few to bound it"
		lag.Low, lag.High = lag.bound("low", low, few), lag.bound("high", high, few)
		if base, ok := d.outcome.Rows[0].Value.Number(); ok && base != 0 {
			lag.Relative = new(lag.By / math.Abs(base))
		} else {
			lag.Unknown["relative"] = "the leader's value is 0 or not known"
		}
		v.Behind = &lag
	}
	if r.Cell.Failed != nil && t.Log != nil {
		v.Log = t.Log(r.Cell.ID)
	}
	return v
}

func (l *TunedLag) bound(key string, x float64, why string) *float64 {
	if math.IsInf(x, 0) {
		l.Unknown[key] = why
		return nil
	}
	return &x
}

// name is a variant in a sentence.
func (v TunedVariant) name() string {
	var parts []string
	for _, l := range v.Labels {
		parts = append(parts, l.Name+"="+l.Value)
	}
	return strings.Join(parts, " ")
}

// conclusion says how sure the outcome is, and of what.
func (d *Tuning) conclusion() string {
	o := d.outcome
	var alike, aside, open []string
	for _, v := range d.Variants {
		switch {
		case v.Standing == tune.Aside:
			aside = append(aside, v.name())
		case v.Standing == tune.Playing && v.Condition == tune.Met:
			alike = append(alike, v.name())
		case v.Standing == tune.Playing:
			open = append(open, v.name())
		}
	}
	var parts []string
	switch {
	case !o.Ended:
		parts = append(parts, "the search was cut off before it could say which is the best")
	case o.Leader < 0:
		parts = append(parts, "no variant has values and meets the condition")
	case o.Winner >= 0:
		said := d.Variants[0].name() + " is the best: every other variant is worse or out, with 95 % confidence for all " +
			"comparisons together"
		if len(d.Variants) > 1 && d.Variants[1].Behind != nil {
			v := d.Variants[1]
			said += fmt.Sprintf("; the nearest, %s, is behind by %s (%s)", v.name(), d.lag(v), d.interval(v))
		}
		return said
	case len(alike) > 1:
		parts = append(parts, fmt.Sprintf("%d variants cannot be told apart: %s", len(alike), strings.Join(alike, "; ")))
	default:
		parts = append(parts, d.Variants[0].name()+" is ahead, and that it is the best is not certain")
	}
	if o.Ended && o.Leader >= 0 && o.Rounds < o.Least {
		parts = append(parts, fmt.Sprintf("it takes %d rounds to tell them apart, however different they are: "+
			"--budget %v may do", o.Least, d.forRounds(o.Least)))
	}
	if len(aside) > 0 {
		parts = append(parts, fmt.Sprintf("the time was too short for %s, set aside while behind: %s",
			text.Plural(len(aside), "variant"), strings.Join(aside, "; ")))
	}
	if len(open) > 0 {
		parts = append(parts, "whether the condition is met is not certain for "+strings.Join(open, "; "))
	}
	return strings.Join(parts, "; ")
}

// forRounds is about how long a number of rounds takes, with a tenth to spare.
func (d *Tuning) forRounds(n int) time.Duration {
	each := d.Spent / float64(max(1, d.outcome.Rounds))
	return time.Duration(math.Ceil(1.1*float64(n)*each/60)) * time.Minute
}

// WriteText implements [Document].
func (d Tuning) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "the best %s (%s is better)", d.For, d.Better)
	if d.Where != "" {
		fmt.Fprintf(&b, " where %s", d.Where)
	}
	fmt.Fprintf(&b, "\n%s of %s in %s, %v of %v\n\n", text.Plural(len(d.Variants), "variant"), d.Server,
		text.Plural(d.Rounds, "round"), seconds(d.Spent), seconds(d.Budget))
	head, rows, left := d.table()
	if err := report.Columns(&b, head, rows, left); err != nil {
		return err
	}
	b.WriteString("* no other variant is as good in all of these figures and better in one, as measured\n")
	for _, v := range d.Variants {
		if v.Why == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", v.name(), v.Why)
		for _, line := range v.Log {
			fmt.Fprintf(&b, "  | %s\n", line)
		}
	}
	fmt.Fprintf(&b, "\n%s  %s\n", map[string]string{"winner": "WINNER", "none": "NO WINNER"}[d.Verdict], d.Why)
	if d.Profile != nil {
		fmt.Fprintf(&b, "\n# %s, as a profile\n%s", d.Variants[0].name(), *d.Profile)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// table has a row for each variant.
func (d Tuning) table() (head []string, rows [][]string, left int) {
	head = append(head, d.axes...)
	head = append(head, "")
	left = len(head)
	head = append(head, d.For[strings.LastIndexByte(d.For, '.')+1:], "behind", "95 %", "rounds")
	if d.outcome.Memory != "" {
		head = append(head, "memory")
	}
	for _, path := range d.scores {
		name, _ := figure.CutScore(path)
		head = append(head, name)
	}
	for i, v := range d.Variants {
		r := d.outcome.Rows[i]
		var row []string
		for _, a := range d.axes {
			row = append(row, valueOf(v.Labels, a))
		}
		row = append(row, strings.TrimSpace(d.standing(i)+map[bool]string{true: " *"}[v.Front]),
			readable.Value(r.Value), d.lag(v), d.interval(v), fmt.Sprint(v.Rounds))
		if d.outcome.Memory != "" {
			row = append(row, readable.Value(r.Memory))
		}
		for _, s := range r.Scores {
			row = append(row, readable.Value(s))
		}
		rows = append(rows, row)
	}
	return head, rows, left
}

func valueOf(labels []event.Label, name string) string {
	for _, l := range labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// standing is a variant's standing in one word.
func (d Tuning) standing(i int) string {
	v := d.Variants[i]
	switch {
	case d.Verdict == "winner" && i == 0:
		return "best"
	case v.Standing == tune.Playing && v.Condition == tune.Undecided:
		return "unsure"
	case i == 0 && d.outcome.Leader >= 0:
		return "ahead"
	case v.Standing == tune.Playing:
		return "alike"
	}
	return string(v.Standing)
}

// lag is how far a variant is behind.
func (d Tuning) lag(v TunedVariant) string {
	switch {
	case v.Behind == nil:
		return readable.Unknown
	case v.Behind.Relative != nil:
		return readable.Percent(*v.Behind.Relative)
	}
	return readable.Signed(v.Behind.By, func(x float64) string { return readable.Quantity(x, d.Unit) })
}

// interval is the 95 % interval of [Tuning.lag].
func (d Tuning) interval(v TunedVariant) string {
	if v.Behind == nil || v.Behind.Low == nil || v.Behind.High == nil {
		return readable.Unknown
	}
	show := func(x float64) string {
		if v.Behind.Relative != nil && v.Behind.By != 0 {
			return readable.Percent(x * *v.Behind.Relative / v.Behind.By)
		}
		return readable.Quantity(x, d.Unit)
	}
	return show(*v.Behind.Low) + " to " + show(*v.Behind.High)
}
