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
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Verified is the outcome of reading one file of a snapshot again.
type Verified struct {
	Path    string
	Wrong   string // what is wrong with it; "" if nothing is known to be
	Unknown string // why that is not known
}

// Verify reads every file of a snapshot and compares it with the hash that want has for its path, or else with the one
// that names it. A file with another hash is removed, so that nothing is left that looks valid
// and the next pull fetches it; one that cannot be read, or whose hash is not known, stays.
func (c Cache) Verify(ctx context.Context, repo, commit string, want []File) ([]Verified, error) {
	root := c.Snapshot(repo, commit)
	var out []Verified
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path) // path begins with root
		v := Verified{Path: filepath.ToSlash(rel)}
		var promised string
		if i := slices.IndexFunc(want, func(f File) bool { return f.Path == v.Path }); i >= 0 {
			promised = want[i].Hash
		}
		v.Wrong, v.Unknown = verify(ctx, path, promised)
		out = append(out, v)
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("verifying %s at commit %s: %w", repo, commit, err)
	}
	return out, nil
}

// verify reads one file of a snapshot, and removes it if it has another hash than was promised or, without a promise,
// than its name says.
func verify(ctx context.Context, path, promised string) (wrong, unknown string) {
	want := cmp.Or(promised, hashOfName(path))
	got, err := hashOf(ctx, path, want)
	switch {
	case err != nil:
		return "cannot be read: " + err.Error(), ""
	case want == "":
		return "", "its hash is not known"
	case got == want:
		return "", ""
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		_ = os.Remove(target)
	}
	_ = os.Remove(path)
	return fmt.Sprintf("has hash %s, want %s; removed", got, want), ""
}

// hashOf reads a file and returns its hash, of the kind that like is of. Without like it only opens the file.
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
	_, err = copyBuffer(sum, contextReader{ctx, f})
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

// copyBuffer copies with a buffer that large files are read, hashed and written with.
func copyBuffer(to io.Writer, from io.Reader) (int64, error) {
	return io.CopyBuffer(to, from, make([]byte, 256<<10))
}
