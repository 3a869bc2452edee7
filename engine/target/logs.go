package target

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/replace"
	"homellm/engine/secret"
	"homellm/engine/text"
)

// Logs are the files for the output of started servers.
type Logs struct {
	State   string // folder of this user; empty: that for temporary files
	Results string // folder of the run; empty: they stay below State
	Latest  bool   // of each server, only the log of its latest start is kept

	pending []serverLog
}

// serverLog is the output of a server that was started for a run.
type serverLog struct {
	written string // readable by its owner alone, outside of the results: the server may print its environment
	kept    string // in the results, without the secrets, after the server has ended
}

// Lasting names the log file of a server that outlasts the command, such as one of homellm serve.
func (l *Logs) Lasting(profile string) (string, error) {
	dir, err := l.folder()
	return filepath.Join(dir, "server-"+profile+".log"), err
}

func (l *Logs) folder() (string, error) {
	dir := l.State
	if dir == "" {
		dir = os.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", exit.Errorf(exit.Environment, "name a file with --log", "making a folder for the server's log: %w", err)
	}
	return dir, nil
}

// file names a new log file, and its place in the results folder: one for each start.
func (l *Logs) file(profile string) (written, kept string, err error) {
	if l.Results == "" {
		written, err = l.Lasting(profile)
		return written, "", err
	}
	if l.Latest {
		kept = l.forget(profile)
	}
	for n := 1; kept == ""; n++ {
		path := filepath.Join(l.Results, logName(profile, n))
		_, err := os.Lstat(path)
		switch named := slices.ContainsFunc(l.pending, func(l serverLog) bool { return l.kept == path }); {
		case errors.Is(err, os.ErrNotExist) && !named:
			kept = path
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return "", "", fmt.Errorf("naming the server's log: %w", err)
		}
	}
	folder, err := l.folder()
	if err != nil {
		return "", "", err
	}
	f, err := os.CreateTemp(folder, "server-"+profile+"-*.log")
	if err != nil {
		return "", "", fmt.Errorf("making the server's log: %w", err)
	}
	l.pending = append(l.pending, serverLog{f.Name(), kept})
	return f.Name(), kept, f.Close()
}

// Keep copies the logs of ended servers into the results, without the known secrets.
func (l *Logs) Keep(note func(format string, args ...any)) {
	for _, one := range l.pending {
		if err := one.keep(); err != nil {
			note("the log of a server stays in %s: %v", text.Path(one.written), err)
		}
	}
	l.pending = nil
}

// forget removes the log of a server's start before, and names the place of the next one.
func (l *Logs) forget(profile string) (kept string) {
	kept = filepath.Join(l.Results, logName(profile, 1))
	l.pending = slices.DeleteFunc(l.pending, func(o serverLog) bool {
		if o.kept == kept {
			_ = os.Remove(o.written) // a file that cannot be removed is in the user's cache, where it harms nobody
		}
		return o.kept == kept
	})
	return kept
}

// LastLines are the last lines that a server wrote, from its log in the results; none if it has none there.
func LastLines(results, server string) []string {
	path := filepath.Join(results, logName(server, 1))
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return lines[max(0, len(lines)-logShown):]
}

// logName is the name of the log of the n-th start of a server in a run.
func logName(server string, n int) string {
	if n > 1 {
		return fmt.Sprintf("server-%s-%d.log", server, n)
	}
	return "server-" + server + ".log"
}

func (l serverLog) keep() error {
	in, err := os.Open(l.written)
	if err != nil {
		return err
	}
	defer in.Close()
	err = replace.File(l.kept, func(w io.Writer) error {
		masked := secret.NewWriter(w)
		_, err := io.Copy(masked, in)
		return errors.Join(err, masked.Close())
	})
	if err != nil {
		return err
	}
	return os.Remove(l.written)
}
