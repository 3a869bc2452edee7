package listing

import (
	"fmt"
	"io"
	"slices"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/results"
	"homellm/engine/server"
)

// Runs lists the runs of a folder, the newest first.
type Runs struct {
	Schema string `json:"schema"`
	Dir    string `json:"dir"`
	Runs   []Run  `json:"runs"`
}

// Run is one of them.
type Run struct {
	Name      string        `json:"name"`
	Dir       string        `json:"dir"`
	Started   time.Time     `json:"started"`
	Scenario  string        `json:"scenario"`
	Verdict   event.Outcome `json:"verdict"`
	ExitCode  int           `json:"exit_code"`
	Simulated bool          `json:"simulated"`
	Passed    int           `json:"passed"`
	Failed    int           `json:"failed"`
	Cells     int           `json:"cells"`
	Servers   []PlayedOn    `json:"servers"`
}

// PlayedOn is a server that a run was played on.
type PlayedOn struct {
	Profile       string  `json:"profile"`
	Engine        string  `json:"engine"`
	Version       *string `json:"version"`
	Model         *string `json:"model"`
	Quant         *string `json:"quant"`
	ContextTokens *int    `json:"context_tokens"`
	Unknown       unknown `json:"unknown"`
}

// OfRuns lists the runs of a folder.
func OfRuns(dir string, all []results.Run) Runs {
	d := Runs{Schema: schemaOf("results-list"), Dir: dir, Runs: []Run{}}
	for _, r := range all {
		verdict, code, _ := r.Fold.Outcome()
		counts := r.Fold.Counts()
		out := Run{Name: r.Name, Dir: r.Dir, Started: r.Started.UTC(), Scenario: r.Fold.Started.Scenario.Name,
			Verdict: verdict, ExitCode: code, Simulated: slices.ContainsFunc(r.Fold.Cells, (*metrics.Cell).Simulated),
			Passed: counts[metrics.Passed], Failed: counts[metrics.Failed], Cells: len(r.Fold.Cells), Servers: []PlayedOn{}}
		seen := map[string]bool{}
		for _, c := range r.Fold.Cells {
			if c.Started == nil {
				continue // its server was never reached
			}
			if key := fmt.Sprint(c.Started.Server); !seen[key] {
				seen[key] = true
				out.Servers = append(out.Servers, ofServer(c.Started.Server))
			}
		}
		d.Runs = append(d.Runs, out)
	}
	return d
}

func ofServer(s event.Server) PlayedOn {
	const silent = "the server does not say"
	out := PlayedOn{Profile: s.Profile, Engine: s.Engine, ContextTokens: s.ContextTokens, Unknown: unknown{}}
	out.Version = server.OrWhy(out.Unknown, "version", s.Version, silent)
	out.Model = server.OrWhy(out.Unknown, "model", s.Model, silent)
	out.Quant = server.OrWhy(out.Unknown, "quant", s.Quant, "neither the models file nor the model's name says")
	if s.ContextTokens == nil {
		out.Unknown["context_tokens"] = silent
	}
	return out
}

// WriteText implements [Document].
func (d Runs) WriteText(w io.Writer) error {
	var rows [][]string
	for _, r := range d.Runs {
		simulated := ""
		if r.Simulated {
			simulated = "simulated"
		}
		rows = append(rows, []string{r.Started.Format("2006-01-02 15:04"), r.Scenario, string(r.Verdict), r.Name, simulated,
			fmt.Sprint(r.ExitCode), fmt.Sprint(r.Passed), fmt.Sprint(r.Failed), fmt.Sprint(r.Cells)})
	}
	if len(rows) == 0 {
		return nil
	}
	head := []string{"started (UTC)", "scenario", "verdict", "run", "", "code", "passed", "failed", "cells"}
	return report.Columns(w, head, rows, 5)
}
