package listing

import (
	"fmt"
	"io"
	"time"

	"homellm/engine/baseline"
	"homellm/engine/report"
)

// Baselines are the baselines in a folder.
type Baselines struct {
	Schema    string     `json:"schema"`
	Dir       string     `json:"dir"`
	Baselines []Baseline `json:"baselines"`
	now       time.Time
}

// Baseline is one baseline.
type Baseline struct {
	File     string    `json:"file"`
	Scenario string    `json:"scenario"`
	Cell     string    `json:"cell"`
	Recorded time.Time `json:"recorded"`
	Metrics  int       `json:"metrics"`
	Repeats  int       `json:"repeats"`
}

// OfBaselines lists the baselines in a folder, with their ages at the time now.
func OfBaselines(dir string, found []baseline.Listed, now time.Time) Baselines {
	d := Baselines{Schema: schemaOf("baselines"), Dir: dir, Baselines: []Baseline{}, now: now}
	for _, one := range found {
		b := one.Baseline
		d.Baselines = append(d.Baselines, Baseline{one.Path, b.Scenario, b.Name, b.Recorded.UTC(), len(b.Metrics),
			b.Repeats()})
	}
	return d
}

// WriteText implements [Document].
func (d Baselines) WriteText(w io.Writer) error {
	var rows [][]string
	for _, b := range d.Baselines {
		rows = append(rows, []string{b.File, b.Scenario, b.Cell, b.Recorded.Format(time.DateOnly),
			fmt.Sprintf("%.0f d", d.now.Sub(b.Recorded).Hours()/24), fmt.Sprint(b.Metrics), fmt.Sprint(b.Repeats)})
	}
	if len(rows) == 0 {
		return nil
	}
	return report.Columns(w, []string{"file", "scenario", "cell", "recorded", "age", "metrics", "repeats"}, rows, 4)
}
