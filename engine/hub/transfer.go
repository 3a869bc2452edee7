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
	"os"
)

// transfer fetches one file over one connection and hashes it as it arrives.
type transfer struct {
	hub     *Hub
	repo    string
	file    File
	address string // at the hub
	part    string
	meter   *meter
	fetched int64 // bytes that came over the wire

	out  *os.File
	sum  hash.Hash
	have int64 // bytes that are in out and in sum
}

// run fetches what is missing. When it returns nil the part file is complete, verified and on disk.
func (t *transfer) run(ctx context.Context) (err error) {
	if err := write(t.part+pathSuffix, t.file.Path); err != nil {
		return err
	}
	if t.out, err = os.OpenFile(t.part, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	defer t.out.Close() // what a write did not say, Sync does
	if err := t.resume(ctx); err != nil {
		return err
	}
	resumed := t.have > 0
	err = t.fetch(ctx)
	if errors.Is(err, errHash) && resumed {
		// What was there before may be what is wrong, so a second try starts from nothing.
		if err := t.restart(); err != nil {
			return err
		}
		err = t.fetch(ctx)
	}
	return err
}

// resume hashes what an earlier pull left.
func (t *transfer) resume(ctx context.Context) (err error) {
	info, err := t.out.Stat()
	if err != nil {
		return err
	}
	t.sum = newHash(t.file.Hash, t.file.Bytes)
	if info.Size() > t.file.Bytes {
		return t.restart()
	}
	t.meter.add(info.Size()) // before it is hashed, which takes a while
	t.have, err = io.CopyBuffer(t.sum, contextReader{ctx, t.out}, make([]byte, bufferBytes))
	return err
}

// restart forgets everything that is there.
func (t *transfer) restart() error {
	t.meter.add(-t.have)
	t.have = 0
	t.sum = newHash(t.file.Hash, t.file.Bytes)
	_, err := t.out.Seek(0, io.SeekStart)
	return errors.Join(err, t.out.Truncate(0))
}

// fetch requests the rest of the file until it is complete, then compares its hash and writes it to disk.
func (t *transfer) fetch(ctx context.Context) error {
	for t.have < t.file.Bytes {
		err := t.hub.retry(ctx, func() error {
			before := t.have
			err := t.request(ctx)
			if t.have > before && errors.As(err, new(*transient)) {
				return ctx.Err() // it made progress: the next request counts its tries from 0
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if sum := hex.EncodeToString(t.sum.Sum(nil)); sum != t.file.Hash {
		why := fmt.Sprintf("%s arrived with hash %s, want %s; it was removed", t.file.Path, sum, t.file.Hash)
		return &Error{why, "pull again, and look at the models file if it happens again", errHash}
	}
	return t.out.Sync()
}

// request asks for everything that is missing, and keeps what arrives. It asks the hub every time: where that
// sends it may expire.
func (t *transfer) request(ctx context.Context) error {
	r, err := t.hub.get(ctx, t.address, fmt.Sprintf("bytes=%d-", t.have))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	switch r.StatusCode {
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", t.have, t.file.Bytes-1, t.file.Bytes)
		open := fmt.Sprintf("bytes %d-%d/*", t.have, t.file.Bytes-1)
		if got := r.Header.Get("Content-Range"); got != want && got != open {
			return fmt.Errorf("the server sends %q, want %q", got, want)
		}
	case http.StatusOK: // the server knows no ranges and sends the file from its start
		if r.ContentLength >= 0 && r.ContentLength != t.file.Bytes {
			return fmt.Errorf("the server sends %d bytes, want %d", r.ContentLength, t.file.Bytes)
		}
		if err := t.restart(); err != nil {
			return err
		}
	default:
		return t.hub.refusal(r, t.repo, t.file.Path)
	}
	n, err := io.CopyBuffer(keeper{t}, io.LimitReader(r.Body, t.file.Bytes-t.have), make([]byte, bufferBytes))
	t.fetched += n
	switch {
	case errors.As(err, new(*fs.PathError)): // of the file, not of the connection
		return err
	case t.have < t.file.Bytes:
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return &transient{err: fmt.Errorf("the transfer was cut: %w", err)}
	}
	return nil
}

// keeper writes and hashes what arrives.
type keeper struct{ *transfer }

func (k keeper) Write(p []byte) (int, error) {
	n, err := k.out.Write(p)
	_, _ = k.sum.Write(p[:n]) // never fails
	k.have += int64(n)
	k.meter.arrived(int64(n))
	return n, err
}
