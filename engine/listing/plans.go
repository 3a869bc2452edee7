package listing

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"homellm/dsl"
	"homellm/engine/text"
)

// Plan is what a run of one scenario will do.
type Plan struct {
	dsl.PlanDocument
	Jobs []Job `json:"jobs,omitempty"` // of a fleet

	plan    *dsl.Plan
	resolve bool
}

// Job is what one box of a fleet plays.
type Job struct {
	Name  string   `json:"name"`
	Cells []string `json:"cells"` // their ids
	Boxes []string `json:"boxes"` // that can play it
}

// Plans is what the runs of several scenarios will do.
type Plans struct {
	Schema  string                `json:"schema"`
	Plans   []Plan                `json:"plans"`
	LeftOut []dsl.LeftOutDocument `json:"left_out"` // of all scenarios
}

// OfPlans is the document of one plan or of several, with what options leave out of their scenarios, and with every
// default filled in if that is asked for. Jobs are those of a plan on a fleet, if it is to be played on one.
func OfPlans(plans []*dsl.Plan, out []dsl.LeftOut, resolve bool, jobs func(*dsl.Plan) []Job) Document {
	d := Plans{Schema: schemaOf("plans"), Plans: []Plan{}, LeftOut: []dsl.LeftOutDocument{}}
	for _, p := range plans {
		d.Plans = append(d.Plans, Plan{p.Document(out, resolve), jobs(p), p, resolve})
	}
	for _, l := range out {
		d.LeftOut = append(d.LeftOut, l.Document())
	}
	if len(plans) == 1 && len(d.LeftOut) == len(d.Plans[0].LeftOut) {
		return d.Plans[0]
	}
	return d
}

// WriteText implements [Document].
func (d Plans) WriteText(w io.Writer) error {
	for _, p := range d.Plans {
		if err := p.WriteText(w); err != nil {
			return err
		}
	}
	return nil
}

// WriteText implements [Document].
func (d Plan) WriteText(w io.Writer) error {
	if err := errors.Join(d.plan.WriteText(w), d.writeJobs(w)); err != nil || !d.resolve {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return d.plan.WriteResolved(w)
}

// mostBoxes is how many boxes of a job are named: there may be thousands.
const mostBoxes = 5

// writeJobs says which boxes of the fleet can play what. Cells that none can play are skipped, as the plan says.
func (d Plan) writeJobs(w io.Writer) error {
	if len(d.Jobs) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s of the fleet, each played by one of its boxes:\n", text.Plural(len(d.Jobs), "job"))
	for _, j := range d.Jobs {
		boxes := strings.Join(j.Boxes[:min(len(j.Boxes), mostBoxes)], ", ")
		if more := len(j.Boxes) - mostBoxes; more > 0 {
			boxes += fmt.Sprintf(" and %d more", more)
		}
		fmt.Fprintf(t, "  %s\t%s\n", j.Name, boxes)
	}
	return t.Flush()
}
