package hub

import (
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
func (c Cache) lock(repo, etag string) string {
	return filepath.Join(c.Dir, ".locks", filepath.Base(c.repo(repo)), etag+".lock")
}

func (c Cache) blob(repo, etag string) string { return filepath.Join(c.repo(repo), "blobs", etag) }

// Snapshot is the folder of one commit: what a server is given as the model's path.
func (c Cache) Snapshot(repo, commit string) string {
	return filepath.Join(c.repo(repo), "snapshots", commit)
}

func (c Cache) link(repo, commit, path string) string {
	return filepath.Join(c.Snapshot(repo, commit), filepath.FromSlash(path))
}

// publish makes a finished blob visible under its path in the snapshot.
func (c Cache) publish(repo, commit, path, etag string) error {
	link := c.link(repo, commit, path)
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("creating the snapshot's folder: %w", err)
	}
	target, err := filepath.Rel(filepath.Dir(link), c.blob(repo, etag))
	if err != nil {
		return fmt.Errorf("linking %s: %w", path, err)
	}
	if old, err := os.Readlink(link); err == nil && old == target {
		return nil
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	if os.Symlink(target, link) == nil {
		return nil
	}
	// Windows allows symbolic links to some accounts only.
	if err := os.Link(c.blob(repo, etag), link); err != nil {
		return fmt.Errorf("linking %s: %w", path, err)
	}
	return nil
}

// setRef remembers which commit a branch was at.
func (c Cache) setRef(repo, revision, commit string) error {
	path := filepath.Join(c.repo(repo), "refs", filepath.FromSlash(revision))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("creating the folder of refs: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ref-*") // of its own name: two pulls may end at once
	if err != nil {
		return fmt.Errorf("writing the ref %s: %w", revision, err)
	}
	_, err = f.WriteString(commit)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil { // a cache may be shared
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing the ref %s: %w", revision, err)
	}
	return nil
}

// Ref returns the commit that a branch or tag was at when it was last pulled; "" if it never was.
func (c Cache) Ref(repo, revision string) string {
	data, err := os.ReadFile(filepath.Join(c.repo(repo), "refs", filepath.FromSlash(revision)))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// Commit is the commit that a revision means: itself, or where the branch main was when it was last pulled, if
// the revision is empty; "" if it never was.
func (c Cache) Commit(repo, revision string) string {
	return cmp.Or(revision, c.Ref(repo, defaultRevision))
}

// etagOf is the hash in the name of the file that a link leads to; "" if it is no link.
func etagOf(link string) string {
	target, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// differs says whether an etag denies a SHA-256. One of another length is git's hash, which says nothing of it.
func differs(etag, want string) bool {
	return want != "" && len(etag) == len(want) && etag != want
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
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
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
		blobs, _ := os.ReadDir(filepath.Join(c.Dir, e.Name(), "blobs"))
		for _, b := range blobs {
			info, err := b.Info()
			switch {
			case err != nil:
			case etagName.MatchString(b.Name()):
				s.Bytes += info.Size()
			default:
				s.Unfinished += allocated(info)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// Has says whether a file of a commit is there, whole, as far as its size tells. Bytes < 0: any.
func (c Cache) Has(repo, commit, path string, bytes int64) bool {
	info, err := os.Stat(c.link(repo, commit, path))
	return err == nil && info.Mode().IsRegular() && (bytes < 0 || info.Size() == bytes)
}

// Remove deletes a commit's snapshot and what no other snapshot needs; with an empty commit, the
// whole repository, unfinished downloads included. It returns how many bytes that freed.
func (c Cache) Remove(repo, commit string) (freed int64, err error) {
	dir := c.repo(repo)
	if _, err := os.Stat(dir); err != nil {
		return 0, fmt.Errorf("removing %s: it is not in the cache", repo)
	}
	unlock, err := c.lockAll(repo)
	if err != nil {
		return 0, fmt.Errorf("removing %s: %w", repo, err)
	}
	defer unlock()
	before := c.size(repo)
	if commit != "" {
		if _, err := os.Stat(c.Snapshot(repo, commit)); err != nil {
			return 0, fmt.Errorf("removing %s: commit %s is not in the cache", repo, commit)
		}
		if err := os.RemoveAll(c.Snapshot(repo, commit)); err != nil {
			return 0, fmt.Errorf("removing %s: %w", repo, err)
		}
		left, _ := os.ReadDir(filepath.Join(dir, "snapshots"))
		if len(left) > 0 {
			if err := c.sweep(repo); err != nil {
				return 0, err
			}
			return before - c.size(repo), nil
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return 0, fmt.Errorf("removing %s: %w", repo, err)
	}
	return before, nil // the locks stay: somebody may wait for one
}

// markSuffix is what a lock's own file is called after where files cannot be locked.
const markSuffix = ".homellm"

// ErrBusy says that a pull holds what was to be removed.
var ErrBusy = errors.New("a pull of it is under way")

// lockAll takes the locks of all files of a repository that is there, or none.
func (c Cache) lockAll(repo string) (unlock func(), err error) {
	var held []func()
	unlock = func() {
		for _, f := range held {
			f()
		}
	}
	entries, _ := os.ReadDir(filepath.Dir(c.lock(repo, "")))
	for _, e := range entries {
		etag, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), markSuffix), ".lock")
		if !ok {
			continue
		}
		one, err := tryLock(context.Background(), c.lock(repo, etag))
		if err != nil {
			unlock()
			if errors.Is(err, context.Canceled) { // it would have been waited for
				err = ErrBusy
			}
			return nil, err
		}
		held = append(held, one)
	}
	return unlock, nil
}

// tryLock takes a lock if nobody has it.
func tryLock(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cancel() // so that it is not waited for
	return lock(ctx, path, func() {})
}

func (c Cache) size(repo string) (n int64) {
	blobs, _ := os.ReadDir(filepath.Join(c.repo(repo), "blobs"))
	for _, b := range blobs {
		if info, err := b.Info(); err == nil {
			n += allocated(info)
		}
	}
	return n
}

// sweep deletes finished blobs that no snapshot links to, and refs to commits that are gone.
func (c Cache) sweep(repo string) error {
	used := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(c.repo(repo), "snapshots"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			used[etagOf(path)] = true
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the snapshots of %s: %w", repo, err)
	}
	blobs, err := os.ReadDir(filepath.Join(c.repo(repo), "blobs"))
	if err != nil {
		return fmt.Errorf("reading the files of %s: %w", repo, err)
	}
	for _, b := range blobs {
		if etagName.MatchString(b.Name()) && !used[b.Name()] {
			if err := os.Remove(c.blob(repo, b.Name())); err != nil {
				return fmt.Errorf("removing a file of %s: %w", repo, err)
			}
		}
	}
	refs := filepath.Join(c.repo(repo), "refs")
	_ = filepath.WalkDir(refs, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if data, e := os.ReadFile(path); e == nil && !exists(c.Snapshot(repo, strings.TrimSpace(string(data)))) {
				_ = os.Remove(path)
			}
		}
		return nil
	})
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Verified is the outcome of reading one file of a snapshot again.
type Verified struct {
	Path    string
	Bytes   int64
	Wrong   string // what is wrong with it; "" if nothing is known to be
	Unknown string // why that is not known
}

// Verify reads every file of a snapshot and compares it with the hash that names it, and with that of want
// where it has the path. A file with another hash is removed, so that nothing is left that looks valid
// and the next pull fetches it; one that cannot be read, or whose hash nobody knows, stays.
func (c Cache) Verify(ctx context.Context, repo, commit string, want []File) ([]Verified, error) {
	root := c.Snapshot(repo, commit)
	if !exists(root) {
		return nil, fmt.Errorf("verifying %s: commit %s is not in the cache", repo, commit)
	}
	var out []Verified
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("naming %s: %w", path, err)
		}
		v := Verified{Path: filepath.ToSlash(rel)}
		i := slices.IndexFunc(want, func(f File) bool { return f.Path == v.Path && f.SHA256 != "" })
		etag := ""
		if i >= 0 {
			etag = want[i].SHA256
		}
		c.verify(ctx, path, etag, &v)
		if err := ctx.Err(); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("verifying %s: %w", repo, err)
	}
	return out, nil
}

func (c Cache) verify(ctx context.Context, path, etag string, v *Verified) {
	wrong := func(format string, args ...any) {
		c.discard(path)
		v.Wrong = fmt.Sprintf(format, args...) + "; removed"
	}
	if name := etagOf(path); etagName.MatchString(name) {
		if differs(name, etag) {
			wrong("has SHA-256 %s, want %s", name, etag)
			return
		}
		etag = name
	}
	f, err := os.Open(path)
	if err != nil {
		v.Wrong = "cannot be read: " + err.Error()
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		v.Wrong = "cannot be read: " + err.Error()
		return
	}
	v.Bytes = info.Size()
	if etag == "" {
		v.Unknown = "nobody says what its hash should be"
		return
	}
	sum := newHash(etag, info.Size())
	if _, err := io.CopyBuffer(sum, contextReader{ctx, f}, make([]byte, 1<<20)); err != nil {
		v.Wrong = "cannot be read: " + err.Error()
		return
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != etag {
		wrong("has hash %s, want %s", got, etag)
	}
}

// discard removes a link and what it leads to.
func (c Cache) discard(link string) {
	if target, err := filepath.EvalSymlinks(link); err == nil {
		_ = os.Remove(target)
	}
	_ = os.Remove(link)
}

// newHash is the hash that an etag is of: SHA-256, or git's SHA-1 over a header and the text.
func newHash(etag string, bytes int64) hash.Hash {
	if len(etag) == sha256.Size*2 {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", bytes)
	return h
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
