package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/text"
	"homellm/engine/watch"
)

// watched plays, waits until a file that the run was made of changes, and plays again, until the user ends it. Its exit
// code is that of the last run.
func watched(ctx context.Context, p process, args []string, f applyFlags, play func(*watch.Files) error) error {
	if err := canChange(args); err != nil {
		return err
	}
	seen, err := watch.New()
	if err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	defer seen.Close()
	for first := true; ; first = false {
		last := play(seen)
		if known, ok := errors.AsType[*exit.Failure](last); ok && first && known.Code == exit.Usage {
			return last // no change of a file makes a command line right
		}
		if ctx.Err() != nil {
			return last
		}
		code := tell(p, last)
		if !f.quiet {
			p.say("waiting for a change of %s; Ctrl-C ends with exit code %d", text.OneLine(strings.Join(args, " ")), code)
		}
		switch err := seen.Changed(ctx); {
		case ctx.Err() != nil && code == exit.Pass:
			return nil
		case ctx.Err() != nil:
			return exit.With(code)
		case err != nil:
			return exit.Errorf(exit.Environment, "", "%w", err)
		}
	}
}

// canChange refuses to watch what never changes.
func canChange(args []string) error {
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil || arg == files.Stdin {
			return exit.Errorf(exit.Usage, "name a file or a folder: standard input and shipped scenarios do not change",
				"--watch waits for a file to change, and %s is none", text.Quote(arg))
		}
	}
	return nil
}

// scenarios opens what arguments name, and notes for --watch what is read for it: before it is read.
func (f applyFlags) scenarios(p process, args []string) ([]dsl.File, error) {
	if f.watching == nil {
		return files.Scenarios(args, p.stdin)
	}
	f.watching.Forget()
	for _, path := range append(append([]string{}, f.serverFiles...), f.modelFiles...) {
		f.watching.File(path)
	}
	folders := map[string]string{} // by the names of the files in them
	for _, arg := range args {
		paths := []string{arg}
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			paths = below(arg)
			f.watching.Folder(arg, func() string { return strings.Join(below(arg), "\n") })
		}
		for _, path := range paths {
			f.watching.File(path)
			folders[filepath.ToSlash(text.Path(path))] = filepath.Dir(path)
		}
	}
	named, err := files.Scenarios(args, p.stdin)
	for i, each := range named {
		if dir, ok := folders[each.Name]; ok {
			named[i].Dir = f.watching.FS(dir, each.Dir)
		}
	}
	return named, err
}

// below are the YAML files in a folder, which may be scenarios; a folder that cannot be read has none.
func below(dir string) []string {
	out, _ := files.Below(dir)
	return out
}
