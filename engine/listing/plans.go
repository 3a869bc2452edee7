package listing

import (
	"fmt"
	"io"

	"homellm/dsl"
)

// Plan is what a run of one scenario will do.
type Plan struct {
	dsl.PlanDocument

	plan    *dsl.Plan
	resolve bool
}

// Plans is what the runs of several scenarios will do.
type Plans struct {
	Schema  string                `json:"schema"`
	Plans   []Plan                `json:"plans"`
	LeftOut []dsl.LeftOutDocument `json:"left_out"` // of all scenarios
}

// OfPlans is the document of one plan or of several, with what options leave out of their scenarios, and with every
// default filled in if that is asked for.
func OfPlans(plans []*dsl.Plan, out []dsl.LeftOut, resolve bool) Document {
	d := Plans{Schema: schemaOf("plans"), Plans: []Plan{}, LeftOut: []dsl.LeftOutDocument{}}
	for _, p := range plans {
		d.Plans = append(d.Plans, Plan{p.Document(out, resolve), p, resolve})
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
	if err := d.plan.WriteText(w); err != nil || !d.resolve {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return d.plan.WriteResolved(w)
}
