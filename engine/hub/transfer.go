package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"

	"homellm/engine/exit"
)

// A file that is being fetched is kept next to its future place. It grows from its start, so its size says how much has
// arrived. A second file holds its path in the repository, since the name is only a hash. Data that a power failure
// loses is detected by the hash.
const (
	partSuffix = ".part"
	pathSuffix = ".path" // after partSuffix
)

// discard removes what an unfinished download left.
func discard(part string) {
	_ = os.Remove(part)
	_ = os.Remove(part + pathSuffix)
}

// part is a file that grows and is hashed as it arrives.
type part struct {
	file  *os.File
	want  File
	sum   hash.Hash
	have  int64 // bytes that are in the file and in sum
	meter *meter
}

// Write keeps what arrives.
func (p *part) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	_, _ = p.sum.Write(b[:n]) // never fails
	p.have += int64(n)
	p.meter.arrived(int64(n))
	return n, err
}

// restart forgets everything that is there.
func (p *part) restart() error {
	p.meter.add(-p.have)
	p.have, p.sum = 0, newHash(p.want.Hash, p.want.Bytes)
	_, err := p.file.Seek(0, io.SeekStart)
	return errors.Join(err, p.file.Truncate(0))
}

// download fetches what is missing of a file over one connection. When it returns nil the part is complete, verified
// and on disk; with a wrong hash it is gone; with another error a later download continues with it.
func (h *Hub) download(ctx context.Context, repo, commit string, f File, path string, m *meter) error {
	if err := write(path+pathSuffix, f.Path); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer out.Close() // Sync reports errors that Write did not
	p := &part{file: out, want: f, sum: newHash(f.Hash, f.Bytes), meter: m}
	info, err := out.Stat()
	if err == nil {
		m.add(info.Size()) // before it is hashed, which takes a while
		p.have, err = hashFile(ctx, p.sum, out)
	}
	for resumed := p.have > 0; err == nil; resumed = false {
		if p.have < f.Bytes {
			if err := h.retry(ctx, func() error { return h.request(ctx, repo, commit, p) }); err != nil {
				return err
			}
		}
		sum := hex.EncodeToString(p.sum.Sum(nil))
		switch {
		case sum == f.Hash:
			return out.Sync()
		case !resumed:
			discard(path)
			return exit.Errorf(exit.Environment, "pull again, and look at the models file if it happens again",
				"%s arrived with hash %s, want %s; it was removed", f.Path, sum, f.Hash)
		}
		err = p.restart() // the earlier part may be wrong
	}
	return err
}

// request requests everything that is missing and keeps what arrives. It asks the hub every time, because the address
// to which the hub redirects may expire.
func (h *Hub) request(ctx context.Context, repo, commit string, p *part) error {
	address := h.endpoint() + "/" + repo + "/resolve/" + commit + "/" + (&url.URL{Path: p.want.Path}).EscapedPath()
	before, from := p.have, fmt.Sprintf("%d-", p.have)
	return h.get(ctx, address, "bytes="+from, func(r *http.Response) error {
		switch r.StatusCode {
		case http.StatusPartialContent:
			if got := r.Header.Get("Content-Range"); !strings.HasPrefix(got, "bytes "+from) {
				return fmt.Errorf("the server sends %q, want %q", got, "bytes "+from)
			}
		case http.StatusOK: // the server does not support ranges and sends the file from its start
			if err := p.restart(); err != nil {
				return err
			}
		default:
			return h.refusal(r, repo, p.want.Path)
		}
		left := p.want.Bytes - p.have
		if r.ContentLength >= 0 && r.ContentLength != left {
			return fmt.Errorf("the server sends %d bytes, want %d", r.ContentLength, left)
		}
		n, err := io.CopyBuffer(p, io.LimitReader(r.Body, left), make([]byte, 256<<10))
		switch {
		case errors.As(err, new(*fs.PathError)): // an error of the file, not of the connection
			return err
		case n == left:
			return nil
		case err == nil:
			err = io.ErrUnexpectedEOF
		}
		return &transient{err: fmt.Errorf("the transfer was cut: %w", err), progress: p.have > before}
	})
}
