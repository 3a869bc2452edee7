package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// File is a file that a models file promises.
type File struct {
	Path   string
	SHA256 string // empty: not known
	Bytes  int64  // 0: not known
}

// PullSpec is what to fetch.
type PullSpec struct {
	Repo     string // organisation/model
	Revision string // a commit pins it; a branch or tag is looked up; empty: main
	Format   string // safetensors or gguf: which files count where Files is empty; empty: safetensors
	Quant    string // of the GGUF files where Files is empty; empty: there is only one
	Files    []File // exactly these; empty: all of Format
}

// PullOptions say how.
type PullOptions struct {
	Connections int                             // at a time, 0: 4
	Progress    func(Progress)                  // called some ten times a second, from one goroutine at a time; nil: not
	Free        func(dir string) (int64, error) // space on the disk; nil: asks the system
}

// Progress is the state of a pull.
type Progress struct {
	File           string // being fetched
	Files          int    // of how many
	Number         int    // this is which, from 1
	Done, Total    int64  // bytes of the whole pull; Done includes what was there before
	BytesPerSecond float64
	ETA            time.Duration // 0: not known yet
	Waiting        bool          // another pull holds the file
}

// Pulled is the outcome of a pull.
type Pulled struct {
	Dir     string // the snapshot: what a server is given as the model's path
	Commit  string
	Moved   string // the commit that the branch was at when it was last pulled, if it is another
	Files   []Remote
	Fetched int64 // bytes that came over the wire
}

// NoSpace says that the disk cannot hold a pull.
type NoSpace struct {
	Dir        string
	Need, Free int64 // bytes
}

func (e *NoSpace) Error() string {
	const gib = 1 << 30
	if e.Need == 0 {
		return fmt.Sprintf("the disk of %s is full; what was fetched is kept: free some space and pull again", e.Dir)
	}
	return fmt.Sprintf("%s has %.1f GiB free, the pull needs %.1f GiB", e.Dir, float64(e.Free)/gib, float64(e.Need)/gib)
}

// HashMismatch says that what arrived is not what was promised. The file was removed.
type HashMismatch struct {
	Path, Want, Got string
}

func (e *HashMismatch) Error() string {
	return fmt.Sprintf("%s arrived with hash %s, want %s; it was removed, nothing of it is left", e.Path, e.Got, e.Want)
}

// Pull fetches a model into the cache, or what is missing of it. It can be killed at any time and
// called again: it goes on where it was. Two pulls of one file wait for each other.
//
// A pull by commit, of files with known hashes that are all there, does not touch the network.
func (c Cache) Pull(ctx context.Context, hub Hub, spec PullSpec, opt PullOptions) (Pulled, error) {
	spec.Revision = cmp.Or(spec.Revision, defaultRevision)
	if !filepath.IsLocal(filepath.FromSlash(spec.Revision)) {
		return Pulled{}, fmt.Errorf("%q is not a revision", spec.Revision)
	}
	if files, ok := c.whole(spec); ok {
		return Pulled{Dir: c.Snapshot(spec.Repo, spec.Revision), Commit: spec.Revision, Files: files}, nil
	}
	h := hub.ready()
	listing, err := h.list(ctx, spec.Repo, spec.Revision)
	if err != nil {
		return Pulled{}, err
	}
	files, err := choose(listing, spec)
	if err != nil {
		return Pulled{}, err
	}
	out := Pulled{Dir: c.Snapshot(spec.Repo, listing.Commit), Commit: listing.Commit, Files: files}
	if old := c.Ref(spec.Repo, spec.Revision); old != listing.Commit {
		out.Moved = old
	}
	if err := c.room(spec.Repo, files, opt); err != nil {
		return out, err
	}
	meter := newMeter(files, opt.Progress)
	for i, f := range files {
		meter.begin(i)
		n, err := c.fetchFile(ctx, h, spec.Repo, listing.Commit, f, opt, meter)
		out.Fetched += n
		if err != nil {
			return out, fmt.Errorf("pulling %s of %s: %w", f.Path, spec.Repo, err)
		}
	}
	meter.end()
	for _, f := range files {
		if !c.Has(spec.Repo, listing.Commit, f.Path, f.Bytes) {
			return out, fmt.Errorf("pulling %s of %s: it was removed meanwhile", f.Path, spec.Repo)
		}
	}
	if spec.Revision != listing.Commit {
		if err := c.setRef(spec.Repo, spec.Revision, listing.Commit); err != nil {
			return out, err
		}
	}
	return out, nil
}

// whole says whether everything a pinned spec asks for is in the cache.
func (c Cache) whole(spec PullSpec) ([]Remote, bool) {
	if !commitName.MatchString(spec.Revision) || len(spec.Files) == 0 || !repoName.MatchString(spec.Repo) {
		return nil, false
	}
	var files []Remote
	for _, f := range spec.Files {
		etag := etagOf(c.link(spec.Repo, spec.Revision, f.Path))
		if etag == "" || differs(etag, f.SHA256) || !c.Has(spec.Repo, spec.Revision, f.Path, cmp.Or(f.Bytes, -1)) {
			return nil, false
		}
		files = append(files, Remote{Path: f.Path, Bytes: f.Bytes, Etag: etag})
	}
	return files, true
}

// room checks that the disk can hold what is missing, and a twentieth more.
func (c Cache) room(repo string, files []Remote, opt PullOptions) error {
	var missing int64
	for _, f := range files {
		if !exists(c.blob(repo, f.Etag)) {
			missing += f.Bytes - c.started(repo, f)
		}
	}
	if missing <= 0 {
		return nil
	}
	ask := opt.Free
	if ask == nil {
		ask = free
	}
	have, err := ask(c.Dir)
	if err != nil {
		return fmt.Errorf("checking the disk: %w", err)
	}
	if need := missing + missing/20; have < need {
		return &NoSpace{Dir: c.Dir, Need: need, Free: have}
	}
	return nil
}

// fetchFile makes sure that one file is there and published. It returns what came over the wire.
func (c Cache) fetchFile(ctx context.Context, h *Hub, repo, commit string, f Remote, opt PullOptions, m *meter) (int64, error) {
	blob := c.blob(repo, f.Etag)
	unlock, err := lock(ctx, c.lock(repo, f.Etag), m.waiting)
	if err != nil {
		return 0, err
	}
	defer unlock()
	var fetched int64
	if info, err := os.Stat(blob); err != nil || info.Size() != f.Bytes {
		if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
			return 0, fmt.Errorf("creating the cache: %w", err)
		}
		t := &transfer{
			hub: h, repo: repo, file: f, part: blob + partSuffix, meter: m,
			address:     h.endpoint() + "/" + repo + "/resolve/" + commit + "/" + escapePath(f.Path),
			connections: cmp.Or(opt.Connections, 4),
		}
		if err := t.run(ctx); err != nil {
			if diskFull(err) {
				return t.fetched.Load(), errors.Join(&NoSpace{Dir: c.Dir}, err)
			}
			return t.fetched.Load(), err
		}
		fetched = t.fetched.Load()
		if err := os.Rename(t.part, blob); err != nil {
			return fetched, fmt.Errorf("finishing the file: %w", err)
		}
	} else {
		m.add(f.Bytes)
		_ = os.Remove(blob + partSuffix)
	}
	_ = os.Remove(blob + partSuffix + doneSuffix)
	return fetched, c.publish(repo, commit, f.Path, f.Etag)
}

// meter turns byte counts into progress.
type meter struct {
	tell  func(Progress)
	mu    sync.Mutex
	p     Progress
	files []Remote
	last  time.Time // of the last report
	since time.Time // start of the window that the speed is measured over
	base  int64     // arrived before the window
	came  int64     // arrived over the wire
}

func newMeter(files []Remote, tell func(Progress)) *meter {
	m := &meter{tell: tell, files: files, since: time.Now(), p: Progress{Files: len(files)}}
	for _, f := range files {
		m.p.Total += f.Bytes
	}
	return m
}

func (m *meter) begin(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.File, m.p.Number, m.p.Waiting = m.files[i].Path, i+1, false
	m.report(true)
}

func (m *meter) waiting() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.Waiting = true
	m.report(true)
}

// add counts bytes that were there; a negative number takes back what has to be fetched again.
func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.Done += n
	m.p.Waiting = false
	m.report(false)
}

// arrived counts bytes from the wire.
func (m *meter) arrived(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.came += n
	m.p.Done += n
	m.p.Waiting = false
	m.report(false)
}

func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report(true)
}

// report tells the state, at most ten times a second unless forced. The speed is that of the last
// five to ten seconds.
func (m *meter) report(force bool) {
	if m.tell == nil {
		return
	}
	now := time.Now()
	const interval, window = 100 * time.Millisecond, 5 * time.Second
	if !force && now.Sub(m.last) < interval {
		return
	}
	m.last = now
	elapsed := now.Sub(m.since)
	if elapsed >= interval {
		m.p.BytesPerSecond = float64(m.came-m.base) / elapsed.Seconds()
	}
	m.p.ETA = 0
	if m.p.BytesPerSecond > 0 {
		m.p.ETA = time.Duration(float64(m.p.Total-m.p.Done) / m.p.BytesPerSecond * float64(time.Second))
	}
	if elapsed > 2*window {
		// Start the next window in the middle of this one, at its average speed.
		m.base += int64(m.p.BytesPerSecond * (elapsed - window).Seconds())
		m.since = now.Add(-window)
	}
	m.tell(m.p)
}
