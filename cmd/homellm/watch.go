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

// watched plays, waits until a file that the run depends on changes, and plays again, until the user stops it. Its exit
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
			return last // changing a file cannot fix the command line
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

// canChange reports an error for arguments that are not files or folders, since these never change.
func canChange(args []string) error {
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil || arg == files.Stdin {
			return exit.Errorf(exit.Usage, "name a file or a folder: standard input and shipped scenarios do not change",
				"--watch waits for a file to change, and %s is not a file", text.Quote(arg))
		}
	}
	return nil
}

// scenarios opens the files that arguments name. For --watch it notes each file before reading it.
func (f applyFlags) scenarios(p process, args []string) ([]dsl.File, error) {
	if f.watching == nil {
		return files.Scenarios(args, p.stdin)
	}
	f.watching.Forget()
	for _, path := range append(append([]string{}, f.serverFiles...), f.modelFiles...) {
		f.watching.File(path)
	}
	folders := map[string]string{} // by the names of their files
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

// below returns the YAML files in a folder, which may be scenarios; none if the folder cannot be read.
func below(dir string) []string {
	out, _ := files.Below(dir)
	return out
}
