package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// PullOptions say how.
type PullOptions struct {
	Progress func(Progress)                  // called some ten times a second; nil: not
	Free     func(dir string) (int64, error) // free bytes on the disk; nil: not checked
}

// Pulled is the outcome of a pull.
type Pulled struct {
	Dir     string // the snapshot: what a server is given as the model's path
	Commit  string
	Moved   string // the commit that the branch was at when it was last pulled, if it is another
	Files   []File
	Fetched int64 // bytes that came over the wire
}

// Pull fetches a model into the cache, or what is missing of it. It can be killed at any time and called again: it
// continues where it stopped. Two pulls of one file wait for each other.
//
// A pull by commit, of files with known hashes that are all there, does not touch the network.
func (c Cache) Pull(ctx context.Context, hub Hub, spec PullSpec, opt PullOptions) (Pulled, error) {
	spec.Revision = cmp.Or(spec.Revision, defaultRevision)
	if !filepath.IsLocal(spec.Revision) {
		return Pulled{}, fmt.Errorf("%q is not a revision", spec.Revision)
	}
	if commitName.MatchString(spec.Revision) && repoName.MatchString(spec.Repo) && len(spec.Files) > 0 {
		if here, missing := c.Present(spec.Repo, spec.Revision, spec.Files); len(missing) == 0 {
			return Pulled{Dir: c.Snapshot(spec.Repo, spec.Revision), Commit: spec.Revision, Files: here}, nil
		}
	}
	h := hub.ready()
	commit, listed, err := h.list(ctx, spec.Repo, spec.Revision)
	if err != nil {
		return Pulled{}, err
	}
	files, err := spec.choose(listed)
	if err != nil {
		return Pulled{}, err
	}
	out := Pulled{Dir: c.Snapshot(spec.Repo, commit), Commit: commit, Files: files}
	if old := c.ref(spec.Repo, spec.Revision); old != commit {
		out.Moved = old
	}
	if opt.Free != nil {
		if err := c.checkRoom(spec.Repo, files, opt.Free); err != nil {
			return out, err
		}
	}
	meter := newMeter(files, opt.Progress)
	for i, f := range files {
		meter.File, meter.Number = f.Path, i+1
		meter.report()
		err := c.fetch(ctx, h, spec.Repo, commit, f, meter)
		out.Fetched = meter.fetched
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = noSpace("the disk of %s is full (%v); what was fetched is kept", c.Dir, err)
		}
		if err != nil {
			return out, fmt.Errorf("pulling %s of %s: %w", f.Path, spec.Repo, err)
		}
	}
	meter.report()
	if _, gone := c.Present(spec.Repo, commit, files); len(gone) > 0 {
		return out, fmt.Errorf("pulling %s of %s: it was removed meanwhile", gone[0], spec.Repo)
	}
	if spec.Revision != commit {
		err = write(c.refPath(spec.Repo, spec.Revision), commit)
	}
	return out, err
}

// checkRoom checks that the disk can hold what is missing, and a twentieth more.
func (c Cache) checkRoom(repo string, files []File, free func(string) (int64, error)) error {
	var missing int64
	for _, f := range files {
		if !exists(c.blob(repo, f.Hash)) {
			missing += f.Bytes - c.started(repo, f)
		}
	}
	have, err := free(c.Dir)
	if err != nil {
		return fmt.Errorf("checking the disk: %w", err)
	}
	if need := missing + missing/20; have < need {
		const gb = 1e9
		return noSpace("%s has %.4g GB free, the pull needs %.4g GB", c.Dir, float64(have)/gb, float64(need)/gb)
	}
	return nil
}

// started returns how many bytes of an interrupted download have arrived.
func (c Cache) started(repo string, f File) int64 {
	info, err := os.Stat(c.blob(repo, f.Hash) + partSuffix)
	if err != nil || info.Size() > f.Bytes {
		return 0
	}
	return info.Size()
}

// fetch makes sure that one file is there and published.
func (c Cache) fetch(ctx context.Context, h *Hub, repo, commit string, f File, m *meter) error {
	unlock, err := lock(c.lock(repo, f.Hash))
	for ; errors.Is(err, ErrBusy); unlock, err = lock(c.lock(repo, f.Hash)) {
		m.Waiting = true
		m.report()
		if err := sleep(ctx, reportInterval); err != nil {
			return err
		}
	}
	m.Waiting = false
	if err != nil {
		return err
	}
	defer unlock()
	blob := c.blob(repo, f.Hash)
	part := blob + partSuffix
	if info, gone := os.Stat(blob); gone == nil && info.Size() == f.Bytes {
		m.add(f.Bytes)
	} else if err := h.download(ctx, repo, commit, f, part, m); err != nil {
		return err
	} else if err := os.Rename(part, blob); err != nil {
		return err
	}
	discard(part)
	return c.publish(repo, commit, f)
}
