package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm"
	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/engines"
	"homellm/engine/exit"
	"homellm/engine/secret"
	"homellm/scenarios"
)

// libraryFlags name the servers and models files a command reads in addition to the shipped ones. A
// scenario's own folder is never searched: a pull request must not be able to start programs.
type libraryFlags struct {
	serverFiles []string
	modelFiles  []string
}

func (l *libraryFlags) add(c *cobra.Command) {
	c.Flags().
		StringArrayVar(&l.serverFiles, "servers", nil, "servers file that adds to and overrides the shipped profiles")
	c.Flags().StringArrayVar(&l.modelFiles, "models", nil, "models file that adds to and overrides the shipped models")
}

// load reads the shipped files, then the user's own, then those of the flags.
func (l libraryFlags) load(p process) (*dsl.Library, error) {
	files := []dsl.File{
		{Name: "models.yaml", Data: homellm.Models},
		{Name: "servers.yaml", Data: homellm.Servers},
	}
	if p.configDir != "" {
		for _, name := range []string{"models.yaml", "servers.yaml"} {
			path := filepath.Join(p.configDir, name)
			data, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, exit.Errorf(exit.Environment, "", "reading your own %s: %w", name, err)
			}
			files = append(files, dsl.File{Name: path, Data: data})
		}
	}
	for _, path := range slices.Concat(l.modelFiles, l.serverFiles) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, exit.Errorf(exit.Usage, "", "%w", err)
		}
		files = append(files, dsl.File{Name: path, Data: data})
	}
	lib, ds := dsl.LoadLibrary(files...)
	for _, profile := range lib.Servers {
		if profile.Launch != nil {
			secret.AddEnvironment(profile.Launch.Environ(nil))
		}
	}
	if !ds.Errors() {
		ds = append(ds, p.templates(lib).Check()...)
	}
	if ds.Errors() {
		return nil, ds
	}
	return lib, nil
}

// findScenarios turns arguments into files: a file, a folder (every YAML file below it that is a
// scenario) or the name of a shipped scenario.
func findScenarios(args []string) ([]dsl.File, error) {
	var out []dsl.File
	for _, arg := range args {
		files, err := findScenario(arg)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	return out, nil
}

func findScenario(arg string) ([]dsl.File, error) {
	info, err := os.Stat(arg)
	if errors.Is(err, fs.ErrNotExist) {
		if f, ok := shipped(arg); ok {
			return []dsl.File{f}, nil
		}
		hint := "shipped scenarios: " + strings.Join(shippedNames(), ", ")
		base := strings.TrimSuffix(filepath.Base(arg), ".yaml")
		switch meant := syntax.Suggest(base, shippedNames()); {
		case slices.Contains(shippedNames(), base):
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
		f, err := openYAML(arg)
		if err != nil {
			return nil, err
		}
		return []dsl.File{f}, nil
	}
	files, err := walkYAML(arg, "scenario")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, exit.Errorf(exit.Usage, "a scenario's first key is `schema: homellm.scenario/v1`", "no scenario below %s",
			arg)
	}
	return files, nil
}

// walkYAML opens every YAML file below dir whose schema line names one of the kinds; no kinds
// means all of ours. Folders named testdata or starting with a dot are passed over.
func walkYAML(dir string, kinds ...string) ([]dsl.File, error) {
	var out []dsl.File
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != dir && (name == "testdata" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
			return nil
		}
		f, err := openYAML(path)
		if err != nil {
			return err
		}
		if kind := dsl.KindOf(f.Data); kind != "" && (len(kinds) == 0 || slices.Contains(kinds, kind)) {
			out = append(out, f)
		}
		return nil
	})
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "looking for files below %s: %w", dir, err)
	}
	return out, nil
}

// openYAML reads a file and opens its folder, from which alone its documents may come.
func openYAML(path string) (dsl.File, error) {
	f, err := dsl.OpenFile(path)
	if err != nil {
		return dsl.File{}, exit.Errorf(exit.Usage, "", "%w", err)
	}
	f.Name = filepath.ToSlash(shown(path))
	return f, nil
}

// shown is how a path is written in messages and results, which other people read as well: as it was written or
// relative to the working folder, except for the user's home folder, which is ~ because it has the user's name.
func shown(path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	written := path
	wd, err := os.Getwd()
	if rel, ok := below(wd, full); ok && err == nil {
		written = rel
	}
	home, err := os.UserHomeDir()
	if rel, ok := below(home, full); ok && err == nil {
		names := slices.Contains(strings.Split(filepath.ToSlash(written), "/"), filepath.Base(home))
		if names || filepath.IsAbs(written) {
			return filepath.Join("~", rel)
		}
	}
	return filepath.Clean(written)
}

// below returns a path from a folder that it is in.
func below(dir, path string) (rel string, ok bool) {
	rel, err := filepath.Rel(dir, path)
	return rel, err == nil && filepath.IsLocal(rel)
}

// argument is what the user writes to name a scenario file again: a shipped one has a name.
func argument(file string) string {
	if _, err := os.Stat(file); err != nil {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); file == "scenarios/"+name+".yaml" &&
			slices.Contains(shippedNames(), name) {
			return name
		}
	}
	return file
}

// shipped opens a scenario that homellm carries.
func shipped(name string) (dsl.File, bool) {
	data, err := fs.ReadFile(scenarios.FS, name+".yaml")
	if err != nil {
		return dsl.File{}, false
	}
	return dsl.File{Name: "scenarios/" + name + ".yaml", Data: data, Dir: scenarios.FS}, true
}

func shippedNames() []string {
	paths, _ := fs.Glob(scenarios.FS, "*.yaml") // the pattern is constant and well formed
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, ".yaml")
	}
	return paths
}

// simulator is the profile that plays when there is nothing else.
var simulator = engines.WithRole(engines.Simulator).Name
