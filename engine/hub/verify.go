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
	var out []Verified
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path) // path begins with root
		v := Verified{Path: filepath.ToSlash(rel)}
		var promised File
		if i := slices.IndexFunc(want, func(f File) bool { return f.Path == v.Path && f.Hash != "" }); i >= 0 {
			promised = File{Hash: want[i].Hash}
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

// verify reads one file of a snapshot, and removes it if it has another hash than its name or a models file says.
func verify(ctx context.Context, path string, promised File) (wrong, unknown string) {
	named := File{Hash: hashOfName(path)}
	wrong = named.contradicts(promised)
	if wrong == "" {
		if named.Hash == "" {
			named = promised
		}
		got, err := hashOf(ctx, path, named.Hash)
		switch {
		case err != nil:
			return "cannot be read: " + err.Error(), ""
		case named.Hash == "":
			return "", "its hash is not known"
		}
		wrong = File{Hash: got}.contradicts(named)
	}
	if wrong != "" {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			_ = os.Remove(target)
		}
		_ = os.Remove(path)
		wrong += "; removed"
	}
	return wrong, ""
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
	_, err = io.CopyBuffer(sum, contextReader{ctx, f}, make([]byte, bufferBytes))
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
