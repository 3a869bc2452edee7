package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	Progress func(Progress)                  // called some ten times a second; nil: not
	Free     func(dir string) (int64, error) // space on the disk; nil: asks the system
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

// Pull fetches a model into the cache, or what is missing of it. It can be killed at any time and called again: it
// continues where it stopped. Two pulls of one file wait for each other.
//
// A pull by commit, of files with known hashes that are all there, does not touch the network.
func (c Cache) Pull(ctx context.Context, hub Hub, spec PullSpec, opt PullOptions) (Pulled, error) {
	spec.Revision = cmp.Or(spec.Revision, defaultRevision)
	if !filepath.IsLocal(filepath.FromSlash(spec.Revision)) {
		return Pulled{}, fmt.Errorf("%q is not a revision", spec.Revision)
	}
	if files, ok := c.complete(spec); ok {
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
	out := Pulled{Dir: c.Snapshot(spec.Repo, listing.commit), Commit: listing.commit, Files: files}
	if old := c.ref(spec.Repo, spec.Revision); old != listing.commit {
		out.Moved = old
	}
	if err := c.checkRoom(spec.Repo, files, opt.Free); err != nil {
		return out, err
	}
	meter := newMeter(files, opt.Progress)
	for i, f := range files {
		meter.begin(i)
		n, err := c.fetchFile(ctx, h, spec.Repo, listing.commit, f, meter)
		out.Fetched += n
		if err != nil {
			return out, fmt.Errorf("pulling %s of %s: %w", f.Path, spec.Repo, err)
		}
	}
	meter.report()
	for _, f := range files {
		if !c.has(spec.Repo, listing.commit, f.Path, f.Bytes) {
			return out, fmt.Errorf("pulling %s of %s: it was removed meanwhile", f.Path, spec.Repo)
		}
	}
	if spec.Revision != listing.commit {
		if err := c.setRef(spec.Repo, spec.Revision, listing.commit); err != nil {
			return out, err
		}
	}
	return out, nil
}

// complete says whether everything a pinned spec asks for is in the cache.
func (c Cache) complete(spec PullSpec) ([]Remote, bool) {
	if !commitName.MatchString(spec.Revision) || len(spec.Files) == 0 || !repoName.MatchString(spec.Repo) {
		return nil, false
	}
	var files []Remote
	for _, f := range spec.Files {
		etag := etagOf(c.link(spec.Repo, spec.Revision, f.Path))
		if etag == "" || differs(etag, f.SHA256) || !c.has(spec.Repo, spec.Revision, f.Path, cmp.Or(f.Bytes, -1)) {
			return nil, false
		}
		files = append(files, Remote{Path: f.Path, Bytes: f.Bytes, Etag: etag})
	}
	return files, true
}

// checkRoom checks that the disk can hold what is missing, and a twentieth more.
func (c Cache) checkRoom(repo string, files []Remote, ask func(string) (int64, error)) error {
	var missing int64
	for _, f := range files {
		if !exists(c.blob(repo, f.Etag)) {
			missing += f.Bytes - c.started(repo, f)
		}
	}
	if missing <= 0 {
		return nil
	}
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

// started is how many bytes of an interrupted download are there.
func (c Cache) started(repo string, f Remote) int64 {
	info, err := os.Stat(c.blob(repo, f.Etag) + partSuffix)
	if err != nil || info.Size() > f.Bytes {
		return 0
	}
	return info.Size()
}

// fetchFile makes sure that one file is there and published. It returns what came over the wire.
func (c Cache) fetchFile(ctx context.Context, h *Hub, repo, commit string, f Remote, m *meter) (int64, error) {
	blob := c.blob(repo, f.Etag)
	unlock, err := lock(ctx, c.lock(repo, f.Etag), m.waiting)
	if err != nil {
		return 0, err
	}
	defer unlock()
	t := &transfer{
		hub: h, repo: repo, file: f, part: blob + partSuffix, meter: m,
		address: h.endpoint() + "/" + repo + "/resolve/" + commit + "/" + escapePath(f.Path),
	}
	if info, err := os.Stat(blob); err == nil && info.Size() == f.Bytes {
		m.add(f.Bytes)
		t.remove()
		return 0, c.publish(repo, commit, f.Path, f.Etag)
	}
	if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
		return 0, fmt.Errorf("creating the cache: %w", err)
	}
	err = t.run(ctx)
	switch {
	case errors.As(err, new(*HashMismatch)):
		t.remove()
		return t.fetched, err
	case diskFull(err):
		return t.fetched, errors.Join(&NoSpace{Dir: c.Dir}, err)
	case err != nil:
		return t.fetched, err
	}
	if err := os.Rename(t.part, blob); err != nil {
		return t.fetched, fmt.Errorf("finishing the file: %w", err)
	}
	t.remove()
	return t.fetched, c.publish(repo, commit, f.Path, f.Etag)
}
