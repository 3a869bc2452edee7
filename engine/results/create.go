package results

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"homellm/dsl"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
)

// Default is the folder of runs if no other is named.
const Default = "results"

// journalName is the file of a run from which everything else can be made.
const journalName = "journal.jsonl"

// NewDir names a folder for a run of a plan that starts now: results/<time>-<name>-<id>.
func NewDir(name, id string, now time.Time) string {
	return filepath.Join(Default, now.UTC().Format("20060102T150405Z")+"-"+name+"-"+id[:4])
}

// NewID makes the id of a run.
func NewID() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("making a run id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// Start begins a run of a plan in a folder without a run, before anything is sent; an empty name means a new folder
// below [Default].
func Start(dir string, plan *dsl.Plan) (*Folder, error) {
	id, err := NewID()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	if dir == "" {
		dir = NewDir(plan.Name, id, started)
	}
	journal, err := create(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{
		Dir:     dir,
		Journal: journal,
		Fold:    &metrics.Run{},
		Header:  event.RunStarted{ID: id, Started: started.UTC()},
	}, nil
}

// create makes the results folder and its journal. It never overwrites a run. Only the owner can read results,
// because they contain whole chats.
func create(dir string) (*event.Journal, error) {
	if name := filepath.Base(dir); dsl.Reserved(name) && name != "." && name != ".." {
		return nil, exit.Errorf(exit.Usage, "choose another folder with --out", "no folder can be called %q on Windows",
			name)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, exit.Errorf(exit.Environment, "choose another folder with --out", "making the results folder: %w", err)
	}
	journal, err := event.Create(filepath.Join(dir, journalName))
	if err != nil {
		return nil, exit.Errorf(exit.Environment, "choose another folder with --out", "%w", err)
	}
	return journal, nil
}
