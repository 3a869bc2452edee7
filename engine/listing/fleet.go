//go:build fleet

package listing

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// What the commands of a fleet print that only look. Each fills in its part of the document.
var (
	FleetStatus = Output{"fleet status", []string{"fleet"}, "text"}
	FleetBoxes  = Output{"fleet boxes", []string{"fleet"}, "table"}
	FleetRuns   = Output{"fleet runs", []string{"fleet"}, "table"}
)

// Fleet is what is known of a fleet.
type Fleet struct {
	Schema string       `json:"schema"`
	Now    *time.Time   `json:"now,omitempty"` // by the broker's clock
	Counts *FleetCounts `json:"counts,omitempty"`
	Boxes  *[]FleetBox  `json:"boxes,omitempty"`
	Runs   *[]FleetRun  `json:"runs,omitempty"`
}

// FleetCounts is a fleet in a few numbers.
type FleetCounts struct {
	Boxes       map[string]int `json:"boxes"` // by their states
	JobsWaiting int            `json:"jobs_waiting"`
	JobsPlaying int            `json:"jobs_playing"`
	RunsPlaying int            `json:"runs_playing"`
}

// FleetBox is a box.
type FleetBox struct {
	Name     string            `json:"name"`
	State    string            `json:"state"`
	Seen     time.Time         `json:"seen"` // by the broker's clock
	Key      string            `json:"key"`
	Homellm  string            `json:"homellm"`
	Labels   map[string]string `json:"labels"`
	Profiles []string          `json:"profiles"`
	Playing  string            `json:"playing,omitempty"`
	Host     map[string]any    `json:"host"`
}

// FleetRun is a run.
type FleetRun struct {
	ID       string    `json:"id"`
	Scenario string    `json:"scenario"`
	State    string    `json:"state"`
	Jobs     int       `json:"jobs"`
	Settled  int       `json:"settled"`
	Begun    time.Time `json:"begun"`
	By       string    `json:"by"`
}

// OfFleet is the document of the counts of a fleet, of its boxes at a time of the broker's clock, or of its runs. Nil
// was not asked for.
func OfFleet(counts *FleetCounts, boxes *[]FleetBox, now time.Time, runs *[]FleetRun) Fleet {
	d := Fleet{Schema: schemaOf("fleet"), Counts: counts, Boxes: boxes, Runs: runs}
	if boxes == nil {
		return d
	}
	d.Now = &now
	for i := range *boxes { // nothing is an empty list, not null
		b := &(*boxes)[i]
		b.Profiles = append([]string{}, b.Profiles...)
		b.Labels, b.Host = orEmpty(b.Labels), orEmpty(b.Host)
	}
	return d
}

func orEmpty[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// WriteText implements [Document].
func (d Fleet) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if c := d.Counts; c != nil {
		var boxes []string
		for _, state := range slices.Sorted(maps.Keys(c.Boxes)) {
			boxes = append(boxes, fmt.Sprintf("%d %s", c.Boxes[state], state))
		}
		fmt.Fprintf(w, "boxes: %s\njobs:  %d waiting, %d being played\nruns:  %d being played\n",
			cmp.Or(strings.Join(boxes, ", "), "none"), c.JobsWaiting, c.JobsPlaying, c.RunsPlaying)
	}
	if d.Boxes != nil {
		fmt.Fprintln(t, "BOX\tSTATE\tSEEN\tKEY\tHOMELLM\tLABELS\tPROFILES")
		for _, b := range *d.Boxes {
			var labels []string
			for _, name := range slices.Sorted(maps.Keys(b.Labels)) {
				labels = append(labels, name+"="+b.Labels[name])
			}
			fmt.Fprintf(t, "%s\t%s\t%v ago\t%s\t%s\t%s\t%s\n", b.Name, b.State,
				max(0, d.Now.Sub(b.Seen)).Round(time.Second), b.Key, b.Homellm, strings.Join(labels, ","),
				strings.Join(b.Profiles, ","))
		}
	}
	if d.Runs != nil {
		fmt.Fprintln(t, "RUN\tSCENARIO\tSTATE\tJOBS\tBEGUN\tBY")
		for _, r := range *d.Runs {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d/%d\t%s\t%s\n", r.ID, r.Scenario, r.State, r.Settled, r.Jobs,
				r.Begun.Format(time.RFC3339), r.By)
		}
	}
	return t.Flush()
}
