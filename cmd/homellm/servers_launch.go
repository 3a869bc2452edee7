package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/hub"
	"homellm/engine/report"
	"homellm/engine/secret"
	"homellm/engine/target"
)

// launcher starts servers for this user.
func (s *servers) launcher() *target.Launcher {
	return &target.Launcher{
		Exe: s.exe, StateDir: s.records(), Key: s.key, File: s.modelFile, Waiting: s.waiting(), Note: s.note,
		Log: s.logFile,
	}
}

// records is the folder in which started processes are recorded.
func (s *servers) records() string {
	if s.stateDir == "" {
		return ""
	}
	return filepath.Join(s.stateDir, "servers")
}

func (s *servers) stateFile(name string) (string, error) {
	dir := s.stateDir
	if dir == "" {
		dir = os.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", exit.Errorf(exit.Environment, "name a file with --log", "making a folder for the server's log: %w", err)
	}
	return filepath.Join(dir, name), nil
}

// serverLog is the output of a server that was started for a run.
type serverLog struct {
	written string // a file for its owner alone, outside of the results: the server may print its environment
	kept    string // in the results, without the secrets, once the server has ended
}

// logFile names a new file for the output of a server, and where it is kept in the results folder: one for each start.
func (s *servers) logFile(profile string) (written, kept string, err error) {
	if s.logs == "" {
		written, err = s.stateFile("server-" + profile + ".log")
		return written, "", err
	}
	for n := 1; kept == ""; n++ {
		name := "server-" + profile + ".log"
		if n > 1 {
			name = fmt.Sprintf("server-%s-%d.log", profile, n)
		}
		path := filepath.Join(s.logs, name)
		_, err := os.Lstat(path)
		switch named := slices.ContainsFunc(s.pending, func(l serverLog) bool { return l.kept == path }); {
		case errors.Is(err, os.ErrNotExist) && !named:
			kept = path
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return "", "", fmt.Errorf("naming the server's log: %w", err)
		}
	}
	folder, err := s.stateFile("")
	if err != nil {
		return "", "", err
	}
	f, err := os.CreateTemp(folder, "server-"+profile+"-*.log")
	if err != nil {
		return "", "", fmt.Errorf("making the server's log: %w", err)
	}
	s.pending = append(s.pending, serverLog{f.Name(), kept})
	return f.Name(), kept, f.Close()
}

// keepLogs puts the logs of servers that have ended into the results, without the secrets that are known.
func (s *servers) keepLogs() {
	for _, l := range s.pending {
		if err := l.keep(); err != nil {
			s.note("the log of a server stays in %s: %v", shown(l.written), err)
		}
	}
	s.pending = nil
}

func (l serverLog) keep() error {
	in, err := os.Open(l.written)
	if err != nil {
		return err
	}
	defer in.Close()
	err = report.WriteFile(l.kept, func(w io.Writer) error {
		masked := secret.NewWriter(w)
		_, err := io.Copy(masked, in)
		return errors.Join(err, masked.Close())
	})
	if err != nil {
		return err
	}
	return os.Remove(l.written)
}

// waiting tells every ten seconds how a start goes on.
func (s *servers) waiting() func(profile string, d time.Duration, line string) {
	next := 10 * time.Second
	return func(profile string, d time.Duration, line string) {
		if d < 10*time.Second {
			next = 10 * time.Second
		}
		if d < next {
			return
		}
		next = d + 10*time.Second
		s.note("%s is starting (%v): %s", profile, d.Round(time.Second), line)
	}
}

// modelFile finds a model's file: where a models file says, as far as it is a path, else among
// what was downloaded.
func (s *servers) modelFile(m *dsl.Model, engineName string) (string, error) {
	e := m.Engines[engineName]
	if _, err := os.Stat(e.File); err == nil {
		return e.File, nil
	}
	i := slices.IndexFunc(m.Sources, func(src *dsl.ModelSource) bool { return src.Name == e.Source })
	if i >= 0 {
		home, err := os.UserHomeDir()
		if err == nil {
			src := m.Sources[i]
			cache := hub.CacheFromEnv(s.getenv, home)
			commit := cache.Commit(src.Repo, src.Revision)
			path := filepath.Join(cache.Snapshot(src.Repo, commit), e.File)
			if _, err := os.Stat(path); commit != "" && err == nil {
				return path, nil
			}
		}
	}
	return "", missingFile{e.File, m.Name, e.Source}
}

// missingFile says that a model was not downloaded.
type missingFile struct{ file, model, source string }

func (e missingFile) Error() string {
	return e.file + " is neither here nor among the downloaded models"
}

// Hint says where files come from.
func (e missingFile) Hint() string {
	if e.source == "" {
		return "write its path as engines.llamacpp.file in your own models.yaml (model " + e.model + ")"
	}
	return "homellm models pull " + e.model + " --source " + e.source +
		", or write its path as engines.llamacpp.file in your own models.yaml"
}

// nameLeftovers tells of servers that an earlier homellm started and could not stop.
func (s *servers) nameLeftovers() {
	left, err := host.Leftovers(s.records())
	if err != nil {
		s.note("%v", err)
		return
	}
	for _, l := range left {
		if !l.Owned {
			s.note("an earlier homellm left a server running: %s; end it with: homellm stop %s", l, l.Name)
		}
	}
}
