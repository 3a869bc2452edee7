// Package starter writes the first files of a new user: a scenario, gates and a job for a CI, which work immediately
// with the server that was found.
//
// The input is a folder and a description of the server; the output is new files. It does not look for servers and
// plays nothing.
package starter

import (
	"bytes"
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"homellm/engine/engines"
	"homellm/engine/exit"
	"homellm/engine/server"
	"homellm/engine/text"
	"homellm/schema"
)

// Scenario is the path of the scenario in the folder.
const Scenario = "scenarios/first.yaml"

// schemas is the folder of the JSON schemas that editors check the files with. They are written beside the files, so
// that an editor needs no network and uses the schemas of the program that wrote the files.
const schemas = ".homellm"

var (
	//go:embed scenario.yaml
	scenario string
	//go:embed gates.yaml
	gates string
	//go:embed llm.yml
	job string
)

// Found is the server that the files are written for.
type Found struct {
	Label     string // name and version of the server; empty: there is none, and the simulator answers
	URL       string
	Simulated bool
	Model     string // the model to play with, if the server has several; empty: it has one
	Named     bool   // the user gave its address, so apply does not find it without one
}

// For describes a server that is ready.
func For(s server.Found) Found {
	f := Found{Label: s.Label(), URL: s.URL, Simulated: s.Simulated}
	if len(s.Models) < 2 || s.Simulated {
		return f
	}
	// A loaded model answers at once; an embedding model does not chat.
	rank := func(m engines.Model) int {
		switch {
		case !plain.MatchString(m.ID) || strings.Contains(strings.ToLower(m.ID), "embed"):
			return 2
		case m.Loaded != nil && *m.Loaded:
			return 0
		}
		return 1
	}
	best := slices.MinFunc(s.Models, func(a, b engines.Model) int { return rank(a) - rank(b) })
	if plain.MatchString(best.ID) {
		f.Model = best.ID
	}
	return f
}

// plain matches names without any special meaning in YAML, a shell or a CI configuration.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$`)

// Apply returns the flags with which apply plays on this server.
func (f Found) Apply() (out []string) {
	if f.Named {
		out = append(out, "--url", f.URL)
	}
	if f.Model != "" {
		out = append(out, "--model", f.Model)
	}
	return out
}

// gate returns the flags with which a CI job plays on this server and no other.
func (f Found) gate() []string {
	if f.Label == "" {
		return []string{"--server", "sim"}
	}
	f.Named = true
	if f.Simulated {
		return f.Apply()
	}
	return append(f.Apply(), "--no-sim")
}

// Line quotes flags for a shell, each after a space.
func Line(flags []string) (out string) {
	for _, flag := range flags {
		out += " " + text.Quote(flag)
	}
	return out
}

// File is the result of writing one file.
type File struct {
	Path string // relative to the folder, with slashes
	Kept bool   // the file existed and was left unchanged
}

// Write creates the folder and writes the files that it lacks. It never changes an existing file, and does not follow
// links out of the folder.
func Write(dir string, f Found) ([]File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, exit.Errorf(exit.Environment, "", "%w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, exit.Errorf(exit.Environment, "", "%w", err)
	}
	defer root.Close()
	var out []File
	for _, each := range content(f) {
		kept, err := write(root, each.path, each.data)
		if err != nil {
			name := filepath.Join(dir, filepath.FromSlash(each.path))
			return out, exit.Errorf(exit.Environment, "", "writing %s: %w", name, err)
		}
		out = append(out, File{each.path, kept})
	}
	return out, nil
}

type made struct {
	path string
	data []byte
}

// content returns all files, in the order in which to look at them.
func content(f Found) []made {
	why := "No server was found here, so the embedded simulator answers. With --url ADDRESS --no-sim a real one is " +
		"measured."
	switch {
	case f.Simulated:
		why = "A simulator was found there when this was written. With --no-sim a real server is measured, or none."
	case f.Label != "":
		why = text.OneLine(f.Label) + " was found there when this was written. With --no-sim no simulator takes its place."
	}
	values := map[string]string{"Scenario": Scenario, "Flags": Line(f.gate()), "Why": why}
	return []made{
		{Scenario, []byte(scenario)},
		{"gates.yaml", filled(gates, values)},
		{".github/workflows/llm.yml", filled(job, values)},
		{schemas + "/scenario.v1.json", schema.Source("scenario")},
		{schemas + "/gates.v1.json", schema.Source("gates")},
	}
}

func filled(form string, values map[string]string) []byte {
	var b bytes.Buffer
	if err := template.Must(template.New("").Option("missingkey=error").Parse(form)).Execute(&b, values); err != nil {
		panic(err) // the templates are embedded and tested
	}
	return b.Bytes()
}

// write creates a file; kept says that it exists already.
func write(root *os.Root, name string, data []byte) (kept bool, err error) {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return false, err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, errors.Join(err, root.Remove(name))
	}
	return false, nil
}
