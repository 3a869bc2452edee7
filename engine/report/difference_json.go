package report

import (
	"io"
	"math"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// differenceSchema is the kind and version of the difference of two runs as JSON.
const differenceSchema = "homellm.diff/v1"

type differenceDocument struct {
	Schema  string           `json:"schema"`
	Old     differingRun     `json:"old"`
	New     differingRun     `json:"new"`
	Differs []string         `json:"differs"`
	Cells   []differenceCell `json:"cells"`
}

type differingRun struct {
	ID        string        `json:"id"`
	Scenario  string        `json:"scenario"`
	Started   time.Time     `json:"started"`
	Verdict   event.Outcome `json:"verdict"`
	Simulated bool          `json:"simulated"`
}

type differenceCell struct {
	Name     string              `json:"name"`
	Old      string              `json:"old"`
	Values   []differenceValue   `json:"values"`
	Verdicts []differenceVerdict `json:"verdicts"`
}

type differenceValue struct {
	Where     string            `json:"where"`
	Metric    string            `json:"metric"`
	Statistic string            `json:"statistic"`
	Unit      string            `json:"unit"`
	Old       *float64          `json:"old"`
	New       *float64          `json:"new"`
	Change    *float64          `json:"change"`
	Relative  *float64          `json:"relative"`
	AllValues string            `json:"all_values,omitempty"`
	Unknown   map[string]string `json:"unknown"`
}

type differenceVerdict struct {
	Assertion string `json:"assertion"`
	Old       string `json:"old"`
	New       string `json:"new"`
}

// DifferenceJSON prints the measurements of two runs side by side for programs.
func DifferenceJSON(w io.Writer, oldRun, newRun *metrics.Run) error {
	out := differenceDocument{Schema: differenceSchema, Old: differing(oldRun), New: differing(newRun),
		Differs: append([]string{}, differences(oldRun, newRun)...), Cells: []differenceCell{}}
	both, _ := pairs(oldRun, newRun)
	for _, p := range both {
		cell := differenceCell{Name: p.after.Name(), Old: p.before.Name(), Values: []differenceValue{},
			Verdicts: []differenceVerdict{}}
		for _, d := range deltas(oldRun, newRun, p.before, p.after) {
			cell.Values = append(cell.Values, d.value())
		}
		for _, c := range p.verdictChanges() {
			cell.Verdicts = append(cell.Verdicts, differenceVerdict{c[0], c[1], c[2]})
		}
		out.Cells = append(out.Cells, cell)
	}
	return WriteJSON(w, out)
}

func differing(r *metrics.Run) differingRun {
	verdict, _, _ := r.Outcome()
	return differingRun{r.Started.ID, r.Started.Scenario.Name, r.Started.Started.UTC(), verdict, simulated(r) != ""}
}

// value returns a delta for programs: unknown values are null, with the reason.
func (d delta) value() differenceValue {
	out := differenceValue{Where: d.where, Metric: d.def.Name, Statistic: d.stat, Unit: d.def.Unit,
		Unknown: map[string]string{}}
	a, whyA := d.old.Sound(d.stat)
	b, whyB := d.new.Sound(d.stat)
	known := func(key string, v float64, why string) *float64 {
		if why != "" {
			out.Unknown[key] = why
			return nil
		}
		return &v
	}
	out.Old, out.New = known("old", a, whyA), known("new", b, whyB)
	why := ""
	if whyA != "" || whyB != "" {
		why = "a value is not known"
	} else {
		out.AllValues = d.allValues()
	}
	out.Change = known("change", b-a, why)
	if why == "" && a == 0 {
		why = "the old value is 0"
	}
	out.Relative = known("relative", (b-a)/math.Abs(a), why)
	return out
}
