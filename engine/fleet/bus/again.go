//go:build fleet

package bus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// The files by which a worker finds what the one before it left in the folder of the box. Whoever has the folder knows
// that the one before has ended.
const (
	folderFile = "folder" // the name of the folder, by which the fleet knows what comes from it
	takenFile  = "taken"  // the job that is being played
)

// claim is the note of a job that is being played. How old the note is tells how long nobody has answered for the job.
type claim struct {
	Reply string          `json:"reply"` // where the job is answered for
	Job   json.RawMessage `json:"job"`
}

// name names the instance that begins, after the folder of the box.
func (w *Box) name() error {
	path := filepath.Join(w.Dir, folderFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !Named(string(data)) {
		data, err = []byte(random()), nil
	}
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	w.folder = string(data) + "-"
	w.About.Instance = w.folder + random()
	return err
}

// random is a name that nobody else has.
func random() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// ours says whether an instance had the folder of this box. It has ended then.
func (w *Box) ours(instance string) bool { return strings.HasPrefix(instance, w.folder) }

// claims notes that the box plays a job.
func (w *Box) claims(m *nats.Msg) {
	data, err := json.Marshal(claim{m.Reply, m.Data})
	if err == nil {
		err = os.WriteFile(filepath.Join(w.Dir, takenFile), data, 0o600)
	}
	if err != nil {
		w.Say("noting which job is played: %v", err) // then another box plays it, if this one ends
	}
}

// holds notes that the box still answers for its job.
func (w *Box) holds() {
	now := time.Now()
	// If it cannot be noted, a worker that comes after this one leaves the job to others.
	_ = os.Chtimes(filepath.Join(w.Dir, takenFile), now, now)
}

// unclaims notes that it plays none.
func (w *Box) unclaims() {
	_ = os.Remove(filepath.Join(w.Dir, takenFile)) // if it stays, the job is found to be settled
}

// resume plays the job that the worker before this one was playing when it was killed. The fleet would offer it again
// only when the lease has ended, and then to any box. A job that may be with another box by now is left to it, unless
// it was played to its end here.
func (w *Box) resume(ctx context.Context) {
	path := filepath.Join(w.Dir, takenFile)
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	var left claim
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &left)
	}
	w.unclaims()
	if err != nil {
		return // it was being written
	}
	t := taken{Box: w, msg: &nats.Msg{Subject: left.Reply, Reply: left.Reply, Data: left.Job}}
	if err := json.Unmarshal(left.Job, &t.job); err != nil {
		return
	}
	if age := time.Since(info.ModTime()); t.finished() == "" && (age < 0 || age > Lease) {
		return
	}
	w.Say("the worker before this one was killed while it played %s of run %s", t.job.Name(), t.job.Run)
	w.take(ctx, t.msg)
}
