package hub

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"homellm/engine/filelock"
)

// Cache is the folder in which Hugging Face's programs keep models, in their layout:
//
//	models--org--name/blobs/<hash>              the files
//	models--org--name/snapshots/<commit>/<path> links to them
//	models--org--name/refs/<branch>             the commit a branch was at
//	.locks/models--org--name/<hash>.lock        held while a file is fetched
//
// What is pulled here is found by vLLM, llama.cpp and huggingface-cli, and the other way round.
type Cache struct{ Dir string }

func (c Cache) repo(repo string) string {
	return filepath.Join(c.Dir, "models--"+strings.ReplaceAll(repo, "/", "--"))
}

// lock is held while a file is fetched.
func (c Cache) lock(repo, hash string) string {
	return filepath.Join(c.Dir, ".locks", filepath.Base(c.repo(repo)), hash+".lock")
}

func (c Cache) blob(repo, hash string) string { return filepath.Join(c.repo(repo), "blobs", hash) }

// Snapshot is the folder of one commit: what a server is given as the model's path.
func (c Cache) Snapshot(repo, commit string) string {
	return filepath.Join(c.repo(repo), "snapshots", commit)
}

func (c Cache) link(repo, commit, path string) string {
	return filepath.Join(c.Snapshot(repo, commit), path)
}

func (c Cache) refPath(repo, revision string) string {
	return filepath.Join(c.repo(repo), "refs", revision)
}

// publish makes a finished blob visible under its path in the snapshot.
func (c Cache) publish(repo, commit string, f File) error {
	link := c.link(repo, commit, f.Path)
	target, err := filepath.Rel(filepath.Dir(link), c.blob(repo, f.Hash))
	if err != nil {
		return err
	}
	if old, err := os.Readlink(link); err == nil && old == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Symlink(target, link) == nil {
		return nil
	}
	return os.Link(c.blob(repo, f.Hash), link) // Windows allows symbolic links to some accounts only
}

// write writes a small file and its folder.
func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// ref returns the commit that a branch or tag was at when it was last pulled; "" if it never was.
func (c Cache) ref(repo, revision string) string {
	data, _ := os.ReadFile(c.refPath(repo, revision))
	return strings.TrimSpace(string(data))
}

// Commit is the commit that a revision means: itself, or where the branch main was when it was last pulled, if
// the revision is empty; "" if it never was.
func (c Cache) Commit(repo, revision string) string {
	return cmp.Or(revision, c.ref(repo, defaultRevision))
}

// Stored is a repository in the cache.
type Stored struct {
	Repo       string
	Commits    []string // with a snapshot, in alphabetical order
	Bytes      int64    // of finished files
	Unfinished int64    // of interrupted downloads
}

// List returns what is in the cache, in alphabetical order. A cache that does not exist is empty.
func (c Cache) List() ([]Stored, error) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the cache: %w", err)
	}
	var out []Stored
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), "models--")
		if !ok || !e.IsDir() {
			continue
		}
		s := Stored{Repo: strings.Replace(name, "--", "/", 1)}
		commits, _ := os.ReadDir(filepath.Join(c.Dir, e.Name(), "snapshots"))
		for _, commit := range commits {
			s.Commits = append(s.Commits, commit.Name())
		}
		s.Bytes, s.Unfinished = c.sizes(s.Repo)
		out = append(out, s)
	}
	return out, nil
}

// sizes are the bytes of a repository's finished files and of its interrupted downloads.
func (c Cache) sizes(repo string) (finished, unfinished int64) {
	blobs, _ := os.ReadDir(c.blob(repo, ""))
	for _, b := range blobs {
		info, err := b.Info()
		switch {
		case err != nil:
		case hashName.MatchString(b.Name()):
			finished += info.Size()
		default:
			unfinished += info.Size()
		}
	}
	return finished, unfinished
}

// Remove deletes a repository, interrupted downloads included, unless it is being pulled. It returns how many
// bytes that freed.
func (c Cache) Remove(repo string) (freed int64, err error) {
	if !exists(c.repo(repo)) {
		return 0, fmt.Errorf("removing %s: it is not in the cache", repo)
	}
	folder := filepath.Dir(c.lock(repo, ""))
	locks, _ := os.ReadDir(folder)
	for _, l := range locks { // they stay: another program may wait for one
		unlock, err := lock(filepath.Join(folder, l.Name()))
		if err != nil {
			return 0, fmt.Errorf("removing %s: %w", repo, err)
		}
		defer unlock()
	}
	finished, unfinished := c.sizes(repo)
	if err := os.RemoveAll(c.repo(repo)); err != nil {
		return 0, fmt.Errorf("removing %s: %w", repo, err)
	}
	return finished + unfinished, nil
}

// lock takes the lock that Hugging Face's programs take for the same file, or ends at once with [ErrBusy].
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := filelock.Lock(f); err != nil {
		_ = f.Close()
		if errors.Is(err, filelock.ErrLocked) {
			err = ErrBusy
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
