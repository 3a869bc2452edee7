package main

import (
	"io"
	"os"
	"runtime/debug"
	"slices"

	"homellm/dsl"
	"homellm/engine/model/apart"
	"homellm/engine/prompt"
	"homellm/engine/publish"
	"homellm/engine/report"
)

// process is the part of the outside world that commands use, so that a test can run a whole command line.
type process struct {
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	getenv    func(string) string
	exe       string // path of this program, for child processes
	renderer  *apart.Renderer
	configDir string // the user's own servers.yaml and models.yaml live here; empty: none
	stateDir  string // records of started servers
	columns   int    // columns of stderr, for the progress line; 0: not a terminal that can repaint
	width     int    // columns of stdout; 0: not a terminal
}

// Reading files makes garbage for a short time: collecting it five times later takes a quarter less processor time.
// That holds while there is little of it; the plan of a conversation of thousands of turns makes gigabytes. While a
// run is measured and reported the collector has its usual pace, which keeps memory constant over hours. A user's
// GOGC or GOMEMLIMIT is not changed.
const (
	gcReading     = 400
	memoryReading = 96 << 20
	gcMeasured    = 100
	gcLong        = 200 // for cells of longCell turns and more: all their prompts are garbage soon, and little of it stays
	longCell      = 500
)

// paceOf is how far the heap may grow while a plan is played.
func paceOf(plan *dsl.Plan) int {
	if slices.ContainsFunc(plan.Cells, func(c *dsl.Cell) bool { return len(c.Turns) >= longCell }) {
		return gcLong
	}
	return gcMeasured
}

// pace sets how far the heap may grow before a collection, in percent of the live heap, and in bytes.
func pace(getenv func(string) string, percent int, limit int64) {
	if getenv("GOGC") == "" && getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// templates are the shipped ones and those of a library.
func (p process) templates(lib *dsl.Library) *prompt.Templates {
	return prompt.NewTemplates(lib, p.renderer.Compile)
}

// reportOptions fits reports to this terminal.
func (p process) reportOptions(dir string) report.Options {
	return report.Options{Width: p.width, Color: p.width > 0 && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb",
		Dir: dir}
}

// home is the user's home folder; empty if there is none.
func (p process) home() string {
	if home := p.getenv("HOME"); home != "" {
		return home
	}
	home, _ := os.UserHomeDir() // the commands that need it report its absence
	return home
}

// place is where the reports of this command line go.
func (p process) place() publish.Place {
	return publish.Place{Stdout: p.stdout, Stderr: p.stderr, Getenv: p.getenv, Shown: p.reportOptions("")}
}
