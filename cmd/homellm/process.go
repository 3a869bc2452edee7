package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"homellm/dsl"
	"homellm/engine/model/apart"
	"homellm/engine/prompt"
	"homellm/engine/report"
)

// process is everything of the outside world that a command may touch, so that a test can run
// the whole command line.
type process struct {
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	getenv    func(string) string
	exe       string // path of this program, for the processes it starts of itself
	renderer  *apart.Renderer
	configDir string // the user's own servers.yaml and models.yaml live here; empty: none
	stateDir  string // records of started servers
	columns   int    // of stderr, where a progress line is painted; 0: not a terminal that can
	width     int    // columns of stdout; 0: not a terminal
}

// Reading files makes garbage and is soon over: collecting it five times later takes a quarter less
// processor time. While a run is measured the collector goes back to its usual pace, which keeps
// memory flat over hours. A GOGC of the user's own is left alone.
const (
	gcReading  = 400
	gcMeasured = 100
)

// templates are those that homellm ships and those of a library.
func (p process) templates(lib *dsl.Library) *prompt.Templates {
	return prompt.NewTemplates(lib, p.renderer.Compile)
}

// repositoryPath names a file by its path in the repository that GitHub checked out.
func (p process) repositoryPath(file string) string {
	workspace := p.getenv("GITHUB_WORKSPACE")
	if workspace == "" || filepath.IsAbs(file) && !strings.HasPrefix(file, workspace+"/") {
		return filepath.ToSlash(file)
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return filepath.ToSlash(file)
	}
	rel, err := filepath.Rel(workspace, abs)
	if err != nil || strings.HasPrefix(rel, "..") {
		return filepath.ToSlash(file)
	}
	return filepath.ToSlash(rel)
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
	home, _ := os.UserHomeDir() // where it is needed it is missed
	return home
}
