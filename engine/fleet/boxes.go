package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"homellm/dsl"
)

// Box is a machine of the fleet as its worker describes it.
type Box struct {
	Name     string            `json:"name"`
	Key      string            `json:"key"`      // the name of its worker's key
	Instance string            `json:"instance"` // differs whenever a worker starts
	Protocol int               `json:"protocol"`
	Homellm  string            `json:"homellm"`
	Labels   map[string]string `json:"labels,omitempty"`
	Profiles []string          `json:"profiles"` // that it can play on
	Host     map[string]any    `json:"host,omitempty"`
	Playing  string            `json:"playing,omitempty"` // the run whose job it plays; empty: it is idle
	Left     bool              `json:"left,omitempty"`    // its worker has ended

	Seen    time.Time `json:"-"` // when it last described itself, by the broker's clock
	Drained bool      `json:"-"` // it takes no more jobs
}

// The rhythm of boxes.
const (
	Pulse = 10 * time.Second // between two descriptions
	Gone  = 3 * Pulse        // a box that has not described itself for so long is not there
)

// ID names the box in subjects.
func (b Box) ID() string { return b.Key + "." + b.Name }

// Here says whether the box is there at a time of the broker's clock.
func (b Box) Here(now time.Time) bool { return !b.Left && now.Sub(b.Seen) < Gone }

// State describes the box in a word.
func (b Box) State(now time.Time) string {
	switch {
	case b.Left:
		return "left"
	case !b.Here(now):
		return "gone"
	case b.Protocol != Protocol:
		return "other version"
	case b.Drained:
		return "drained"
	case b.Playing != "":
		return "playing"
	}
	return "idle"
}

// Demand is what a job demands of the box that plays it, and nothing else. Jobs of the same demand share a queue, so
// that boxes may come and go without a job having to move.
type Demand struct {
	Servers  []string `json:"servers"`            // profiles
	Box      string   `json:"box,omitempty"`      // its name; empty: any
	Requires []string `json:"requires,omitempty"` // of requires.box, each with the values of vars and axes in it

	conditions []*condition // the same, to be asked
}

// Demand is what the job demands of its box.
func (j Job) Demand() Demand {
	d := Demand{Servers: slices.Sorted(slices.Values(j.Order.Servers)), Box: j.Box, conditions: j.conditions}
	for _, c := range j.conditions {
		d.Requires = append(d.Requires, c.text)
	}
	slices.Sort(d.Requires)
	return d
}

// Queue is the name of the queue of a demand. It is the same in every run.
func (d Demand) Queue() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // it has nothing that cannot be written
	}
	return short(string(text))
}

// Cannot says why a box that is there cannot meet a demand; empty: it can.
func (b Box) Cannot(d Demand) string {
	switch {
	case b.Protocol != Protocol:
		return fmt.Sprintf("its homellm %s speaks version %d of the fleet's protocol, not %d", b.Homellm, b.Protocol,
			Protocol)
	case b.Drained:
		return "it is drained"
	case d.Box != "" && d.Box != b.Name:
		return "it is for box " + d.Box
	}
	for _, s := range d.Servers {
		if !slices.Contains(b.Profiles, s) {
			return fmt.Sprintf("it has no profile %q", s)
		}
	}
	for _, c := range d.conditions {
		if why := c.unmet(b); why != "" {
			return why
		}
	}
	return ""
}

// Nobody says why no box can play a job; empty: one can.
func Nobody(j Job, boxes []Box, now time.Time) string {
	if j.Box != "" {
		return bound(j, boxes, now)
	}
	var reasons []string
	names := map[string][]string{}
	demand := j.Demand()
	for _, b := range boxes {
		if !b.Here(now) {
			continue
		}
		why := b.Cannot(demand)
		if why == "" {
			return ""
		}
		if names[why] == nil {
			reasons = append(reasons, why)
		}
		names[why] = append(names[why], b.Name)
	}
	if len(reasons) == 0 {
		return "no box is in the fleet"
	}
	for i, why := range reasons {
		reasons[i] = listed(names[why]) + ": " + why
	}
	if n := len(reasons); n > mostNamed {
		reasons = append(reasons[:mostNamed], fmt.Sprintf("and %d more reasons", n-mostNamed))
	}
	return "no box of the fleet can play it (" + strings.Join(reasons, "; ") + ")"
}

// Able are the names of the boxes that are there and can play a job.
func Able(j Job, boxes []Box, now time.Time) []string {
	demand := j.Demand()
	return Names(slices.DeleteFunc(slices.Clone(boxes), func(b Box) bool { return b.Cannot(demand) != "" }), now)
}

// bound says why the box that must play a job cannot; empty: it can.
func bound(j Job, boxes []Box, now time.Time) string {
	var named []Box
	for _, b := range boxes {
		if b.Here(now) && b.Name == j.Box {
			named = append(named, b)
		}
	}
	switch {
	case len(Names(boxes, now)) == 0:
		return "no box is in the fleet"
	case len(named) == 0:
		return "box " + j.Box + " is not in the fleet"
	case len(named) > 1:
		return fmt.Sprintf("%d boxes are called %s: give one of them another name with homellm fleet join --name",
			len(named), j.Box)
	}
	if why := named[0].Cannot(j.Demand()); why != "" {
		return "box " + j.Box + " cannot play it: " + why
	}
	return ""
}

// Names are the names of the boxes that are there.
func Names(boxes []Box, now time.Time) []string {
	out := []string{}
	for _, b := range boxes {
		if b.Here(now) && !slices.Contains(out, b.Name) {
			out = append(out, b.Name)
		}
	}
	slices.Sort(out)
	return out
}

// Fit skips the cells of a plan that no box can play, and says so in a line for each reason.
func Fit(plan *dsl.Plan, boxes []Box, now time.Time) (lines []string) {
	var reasons []string
	skipped := map[string][]string{}
	for _, j := range Divide("", plan, plan.Cells, Order{}) {
		why := Nobody(j, boxes, now)
		if why == "" {
			continue
		}
		for _, c := range plan.Cells {
			if c.Skip != "" || !slices.ContainsFunc(j.Cells, func(of Cell) bool { return of.ID == c.ID }) {
				continue
			}
			if c.Skip = why; skipped[why] == nil {
				reasons = append(reasons, why)
			}
			skipped[why] = append(skipped[why], c.String())
		}
	}
	for _, why := range reasons {
		lines = append(lines, fmt.Sprintf("skipped (%s): %s", listed(skipped[why]), why))
	}
	return lines
}

// mostNamed is how many boxes, cells or reasons a message lists: there may be thousands.
const mostNamed = 5

// listed lists names.
func listed(names []string) string {
	if n := len(names); n > mostNamed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), n-mostNamed)
	}
	return strings.Join(names, ", ")
}
