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

// record is what is kept on disk of a process while it runs, so that it is found again after
// this process was killed without a chance to stop it. It holds no arguments: those may contain
// a key.
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
	// somebody asked for its end: how it ends is no surprise
	Stopping bool `json:"stopping,omitempty"`
}

// recordVersion is the format of a record.
const recordVersion = 1

// writeRecord writes the process's record, or writes it again when the process id is known.
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
		Signal: p.spec.Signal, Token: p.token, Owner: os.Getpid(), Born: born, Started: time.Now().UTC(),
	}
	if p.cmd.Process != nil {
		r.PID = p.cmd.Process.Pid
		r.Birth, _ = birth(r.PID) // gone already: the record then says so
	}
	path := filepath.Join(p.spec.StateDir, p.token+".json")
	if err := r.write(path); err != nil {
		return err
	}
	p.record = path
	return nil
}

// write writes a record, whole or not at all: it may be read at any moment.
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

// stoppedByOther reports that another homellm stopped the process: it says so in the record first, and removes that
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

// removeRecord removes the record of a process that is gone. A record that stays behind does no
// harm: Leftovers sees that nothing belongs to it.
func (p *Proc) removeRecord() {
	p.mu.Lock()
	path := p.record
	p.record = "" // that it is gone is our own doing
	p.mu.Unlock()
	if path != "" {
		_ = os.Remove(path)
	}
}

// Leftover is a server that homellm started and that runs.
type Leftover struct {
	Name    string
	Command string
	Address string
	Log     string
	Started time.Time
	PIDs    []int // its processes
	Owned   bool  // the homellm that started it runs too: it is in use

	path   string
	record record
}

// String names a leftover as a person would search for it.
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

// Leftovers lists the servers in a state directory that still run. Those whose homellm is gone
// are left over; a record to which no process belongs is removed. A process that merely has the
// id of one that ended is told apart by the instant of its start.
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
			PIDs: r.family().members(), Owned: alive && born == r.Born, path: path, record: r,
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

// family is the record's process group, if its leader is the one that was recorded, and all that
// carry its marker.
func (r record) family() family {
	f := family{token: r.Token}
	if born, ok := birth(r.PID); r.PID > 0 && ok && born == r.Birth {
		f.group = r.PID
	}
	return f
}

// StopLeftover ends a leftover as [Proc.Stop] would have, and removes its record.
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
