package hub

import (
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

// Verify reads every file of a snapshot and compares it with the hash that names it, and with that of want
// where it has the path. A file with another hash is removed, so that nothing is left that looks valid
// and the next pull fetches it; one that cannot be read, or whose hash is not known, stays.
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
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("naming %s: %w", path, err)
		}
		v := Verified{Path: filepath.ToSlash(rel)}
		promised := ""
		if i := slices.IndexFunc(want, func(f File) bool { return f.Path == v.Path && f.SHA256 != "" }); i >= 0 {
			promised = want[i].SHA256
		}
		v.Wrong, v.Unknown = verify(ctx, path, promised)
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

// verify reads one file of a snapshot, and removes it if it has another hash than its name or a models file says.
func verify(ctx context.Context, path, promised string) (wrong, unknown string) {
	want := promised
	if name := etagOf(path); etagName.MatchString(name) {
		if differs(name, promised) {
			discard(path)
			return fmt.Sprintf("has SHA-256 %s, want %s; removed", name, promised), ""
		}
		want = name
	}
	got, err := hashOf(ctx, path, want)
	switch {
	case err != nil:
		return "cannot be read: " + err.Error(), ""
	case want == "":
		return "", "its hash is not known"
	case got != want:
		discard(path)
		return fmt.Sprintf("has hash %s, want %s; removed", got, want), ""
	}
	return "", ""
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
	if _, err := io.CopyBuffer(sum, contextReader{ctx, f}, make([]byte, bufferBytes)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// discard removes a link and what it leads to.
func discard(link string) {
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
