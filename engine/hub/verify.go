package hub

import (
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"homellm/engine/crash"
)

// Verified is the outcome of reading one file of a snapshot again.
type Verified struct {
	Path    string
	Wrong   string // what is wrong with it; "" if nothing is known to be
	Unknown string // why that is not known
}

// Verify reads every file of a snapshot and compares its hash with that of the file of the same path in want, or else
// with the hash in its name. A file with another hash is removed, so that no invalid file remains and the next pull
// fetches it. A file that cannot be read, or whose hash is not known, stays.
func (c Cache) Verify(ctx context.Context, repo, commit string, want []File) (out []Verified, err error) {
	paths, err := c.paths(repo, commit)
	for i := 0; i < len(paths) && err == nil; i++ {
		promised, _ := find(want, paths[i])
		v := verify(ctx, c.link(repo, commit, paths[i]), promised.Hash)
		v.Path, err = paths[i], ctx.Err()
		out = append(out, v)
	}
	if err != nil {
		return nil, fmt.Errorf("verifying %s at commit %s: %w", repo, commit, err)
	}
	return out, nil
}

// verify reads one file of a snapshot, and removes it if it has another hash than was promised or, without a promise,
// than its name says.
func verify(ctx context.Context, path, promised string) Verified {
	want := cmp.Or(promised, hashOfName(path))
	got, err := hashOf(ctx, path, want)
	switch {
	case err != nil:
		return Verified{Wrong: "cannot be read: " + err.Error()}
	case want == "":
		return Verified{Unknown: "its hash is not known"}
	case got == want:
		return Verified{}
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		_ = os.Remove(target)
	}
	_ = os.Remove(path)
	return Verified{Wrong: fmt.Sprintf("has hash %s, want %s; removed", got, want)}
}

// hashOf reads a file and returns its hash, of the same kind as like. If like is empty, it only opens the file.
func hashOf(ctx context.Context, path, like string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || like == "" {
		return "", err
	}
	sum := newHash(like, info.Size())
	_, err = hashFile(ctx, sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// newHash is the hash of a file of that size that has the length of like: SHA-256, or git's SHA-1 of a header and the
// text.
func newHash(like string, bytes int64) hash.Hash {
	if len(like) == sha256.Size*2 {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", bytes)
	return h
}

// hashFile adds the contents of a file to a hash. When ctx ends it closes the file, which stops the reading.
func hashFile(ctx context.Context, sum hash.Hash, f *os.File) (int64, error) {
	defer context.AfterFunc(ctx, crash.Guarded(func() { _ = f.Close() }))()
	n, err := io.Copy(sum, f)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return n, err
}
