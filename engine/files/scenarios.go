// Package files finds and reads the files of a command: scenarios, servers and models, both the shipped ones and the
// user's.
//
// The input is arguments; the output is opened files and the library of what they declare. It does not judge a file
// (dsl does) or play one.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/scenarios"
)

// Stdin is the argument that stands for standard input.
const Stdin = "-"

// Scenarios turns arguments into files: a file, a folder (every YAML file below it that is a
// scenario), the name of a shipped scenario, or [Stdin].
func Scenarios(args []string, stdin io.Reader) ([]dsl.File, error) {
	var out []dsl.File
	for i, arg := range args {
		if arg == Stdin && slices.Contains(args[:i], Stdin) {
			return nil, exit.Errorf(exit.Usage, "", "standard input is named twice")
		}
		files, err := one(arg, stdin)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

// one turns an argument, or standard input, into files.
func one(arg string, stdin io.Reader) ([]dsl.File, error) {
	if arg != Stdin {
		return Scenario(arg)
	}
	f, err := dsl.ReadStream("stdin", stdin)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	return []dsl.File{f}, nil
}

// Scenario turns one argument into files.
func Scenario(arg string) ([]dsl.File, error) {
	info, err := os.Stat(arg)
	if errors.Is(err, fs.ErrNotExist) {
		if f, ok := Shipped(arg); ok {
			return []dsl.File{f}, nil
		}
		hint := "shipped scenarios: " + strings.Join(ShippedNames(), ", ")
		base := strings.TrimSuffix(filepath.Base(arg), ".yaml")
		switch meant := syntax.Suggest(base, ShippedNames()); {
		case slices.Contains(ShippedNames(), base):
			hint = fmt.Sprintf("the shipped scenario of that name is %q", base)
		case meant != "":
			hint = meant
		}
		return nil, exit.Errorf(exit.Usage, hint, "no file, folder or shipped scenario %q", arg)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	if !info.IsDir() {
		f, err := Open(arg)
		if err != nil {
			return nil, err
		}
		return []dsl.File{f}, nil
	}
	files, err := Walk(arg, "scenario")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, exit.Errorf(exit.Usage, "a scenario's first key is `schema: homellm.scenario/v1`", "no scenario below %s",
			arg)
	}
	return files, nil
}

// Argument is how the user names a scenario file again: a shipped one has a name.
func Argument(file string) string {
	if file == "stdin" {
		return Stdin
	}
	if _, err := os.Stat(file); err != nil {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); file == "scenarios/"+name+".yaml" &&
			slices.Contains(ShippedNames(), name) {
			return name
		}
	}
	return file
}

// Shipped opens a shipped scenario.
func Shipped(name string) (dsl.File, bool) {
	data, err := fs.ReadFile(scenarios.FS, name+".yaml")
	if err != nil {
		return dsl.File{}, false
	}
	return dsl.File{Name: "scenarios/" + name + ".yaml", Data: data, Dir: scenarios.FS}, true
}

// ShippedNames are the names of the shipped scenarios.
func ShippedNames() []string {
	paths, _ := fs.Glob(scenarios.FS, "*.yaml") // the pattern is constant and well formed
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, ".yaml")
	}
	return paths
}
