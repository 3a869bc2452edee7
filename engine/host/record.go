package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// record is the file about a running process, by which it is found again if homellm is killed and cannot stop it. It
// holds no arguments, because they may contain a key.
type record struct {
	Version int       `json:"version"`
	Name    string    `json:"name"`
	Command string    `json:"command"`
	Address string    `json:"address"`
	Log     string    `json:"log"`
	Signal  string    `json:"signal"`
	PID     int       `json:"pid"` // 0 until it was started
	Birth   string    `json:"birth"`
	Token   string    `json:"token"`
	Owner   int       `json:"owner"` // pid of the homellm that started it
	Born    string    `json:"owner_birth"`
	Started time.Time `json:"started"`
	Shared  bool      `json:"shared,omitempty"`
	// a stop was requested, so its end is expected
	Stopping bool `json:"stopping,omitempty"`
}

// recordVersion is the format of a record.
const recordVersion = 1

// writeRecord writes the process's record, first without and then with the process id.
func (p *Proc) writeRecord() error {
	if p.spec.StateDir == "" {
		return nil
	}
	if err := os.MkdirAll(p.spec.StateDir, 0o700); err != nil {
		return fmt.Errorf("keeping a record of the process: %w", err)
	}
	born, _ := birth(os.Getpid())
	r := record{
		Version: recordVersion, Name: p.spec.Name, Command: filepath.Base(p.spec.Argv[0]), Address: p.spec.Address,
		Log:    p.spec.Log,
		Signal: p.spec.Signal, Shared: p.spec.Shared, Token: p.token, Owner: os.Getpid(), Born: born,
		Started: time.Now().UTC(),
	}
	if p.cmd.Process != nil {
		r.PID = p.cmd.Process.Pid
		r.Birth, _ = birth(r.PID) // it has already ended, as the record then says
	}
	path := filepath.Join(p.spec.StateDir, p.token+".json")
	if err := r.write(path); err != nil {
		return err
	}
	p.record = path
	return nil
}

// write writes a record atomically, because it may be read at any time.
func (r record) write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping a record of the process: %w", err)
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("keeping a record of the process: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("keeping a record of the process: %w", err)
	}
	return nil
}

// stoppedByOther reports that another homellm stopped the process: it says so in the record, and removes the record
// in the end.
func (p *Proc) stoppedByOther() bool {
	if p.record == "" {
		return false
	}
	data, err := os.ReadFile(p.record)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	var r record
	return err == nil && json.Unmarshal(data, &r) == nil && r.Stopping
}

// removeRecord removes the record of a process that has ended. A remaining record does no harm: Leftovers sees that
// no process belongs to it.
func (p *Proc) removeRecord() {
	p.mu.Lock()
	path := p.record
	p.record = "" // homellm ended it
	p.mu.Unlock()
	if path != "" {
		_ = os.Remove(path)
	}
}

// Leftover is a running server that homellm started.
type Leftover struct {
	Name    string
	Command string
	Address string
	Log     string
	Started time.Time
	PIDs    []int // its processes
	Owner   int   // process id of the homellm that started it
	Owned   bool  // that one is running too: the server is in use
	Shared  bool  // others may use it

	path   string
	record record
}

// String describes a leftover for people who look for it.
func (l Leftover) String() string {
	at := ""
	if l.Address != "" {
		at = " at " + l.Address
	}
	return fmt.Sprintf(
		"%s (%s, process %v)%s, started %s",
		l.Name,
		l.Command,
		l.PIDs,
		at,
		l.Started.Local().Format(time.DateTime),
	)
}

// Leftovers lists the servers in a state directory that are still running. Those whose homellm has ended are left
// over; a record without a process is removed. The start time tells a process from a later one with the same id.
func Leftovers(dir string) ([]Leftover, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for servers left running: %w", err)
	}
	var found []Leftover
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // its process was stopped at this moment
		}
		if err != nil {
			return nil, fmt.Errorf("looking for servers left running: %w", err)
		}
		var r record
		if err := json.Unmarshal(data, &r); err != nil || r.Version != recordVersion || r.Token == "" {
			return nil, fmt.Errorf(
				"looking for servers left running: %s is not a record of this version of homellm; delete it if nothing runs",
				path,
			)
		}
		born, alive := birth(r.Owner)
		l := Leftover{
			Name: r.Name, Command: r.Command, Address: r.Address, Log: r.Log, Started: r.Started,
			PIDs: r.family().members(), Owner: r.Owner, Owned: alive && born == r.Born, Shared: r.Shared, path: path,
			record: r,
		}
		if len(l.PIDs) > 0 {
			found = append(found, l)
			continue
		}
		if !l.Owned { // a starting one has no process yet
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("looking for servers left running: %w", err)
			}
		}
	}
	return found, nil
}

// family is the record's process group, if its leader is the recorded process, and all processes with its marker.
func (r record) family() family {
	f := family{token: r.Token}
	if born, ok := birth(r.PID); r.PID > 0 && ok && born == r.Birth {
		f.group = r.PID
	}
	return f
}

// StopLeftover ends a leftover in the same way as [Proc.Stop], and removes its record.
func StopLeftover(l Leftover, grace time.Duration) error {
	sig, err := signalNamed(l.record.Signal)
	if err != nil {
		return fmt.Errorf("stopping %s: %w", l.Name, err)
	}
	r := l.record
	r.Stopping = true
	if err := r.write(l.path); err != nil {
		return fmt.Errorf("stopping %s: %w", l.Name, err)
	}
	if err := endFamily(r.family(), sig, grace); err != nil {
		return fmt.Errorf("stopping %s: %w", l.Name, err)
	}
	if err := os.Remove(l.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("stopping %s: %w", l.Name, err)
	}
	return nil
}
