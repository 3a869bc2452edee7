package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// A file that is being fetched lies beside its future place and grows from its start on, so that its size says
// what is there. A second file holds its path in the repository, since the name is only a hash. What a power
// failure takes from the disk is found by the hash.
const (
	partSuffix = ".part"
	pathSuffix = ".path" // after partSuffix
)

// transfer fetches one file over one connection and hashes it as it arrives.
type transfer struct {
	hub     *Hub
	repo    string
	file    Remote
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
	if err := os.WriteFile(t.part+pathSuffix, []byte(t.file.Path), 0o644); err != nil {
		return fmt.Errorf("creating the part file: %w", err)
	}
	if t.out, err = os.OpenFile(t.part, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return fmt.Errorf("creating the part file: %w", err)
	}
	defer func() {
		if closing := t.out.Close(); err == nil && closing != nil {
			err = fmt.Errorf("closing the part file: %w", closing)
		}
	}()
	if err := t.resume(ctx); err != nil {
		return err
	}
	resumed := t.have > 0
	err = t.fetch(ctx)
	if errors.As(err, new(*HashMismatch)) && resumed {
		// What was there before may be what is wrong, so a second try starts from nothing.
		if err := t.restart(); err != nil {
			return err
		}
		err = t.fetch(ctx)
	}
	return err
}

// resume hashes what an earlier pull left.
func (t *transfer) resume(ctx context.Context) error {
	t.sum = newHash(t.file.Etag, t.file.Bytes)
	info, err := t.out.Stat()
	if err != nil {
		return fmt.Errorf("reading the part file: %w", err)
	}
	if info.Size() > t.file.Bytes {
		return t.restart()
	}
	t.meter.add(info.Size()) // before it is hashed, which takes a while
	t.have, err = io.CopyBuffer(t.sum, contextReader{ctx, t.out}, make([]byte, bufferBytes))
	if err != nil {
		return fmt.Errorf("reading the part file: %w", err)
	}
	return nil
}

// restart forgets everything that is there.
func (t *transfer) restart() error {
	t.meter.add(-t.have)
	t.have = 0
	t.sum = newHash(t.file.Etag, t.file.Bytes)
	if err := t.out.Truncate(0); err != nil {
		return fmt.Errorf("emptying the part file: %w", err)
	}
	if _, err := t.out.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("emptying the part file: %w", err)
	}
	return nil
}

// fetch requests the rest of the file until it is complete, then compares its hash and writes it to disk.
func (t *transfer) fetch(ctx context.Context) error {
	for t.have < t.file.Bytes {
		err := t.hub.retry(ctx, func() error {
			before := t.have
			err := t.request(ctx)
			if t.have > before && errors.As(err, new(*transient)) {
				return nil // it made progress: the next request counts its tries from 0
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if sum := hex.EncodeToString(t.sum.Sum(nil)); sum != t.file.Etag {
		return &HashMismatch{Path: t.file.Path, Want: t.file.Etag, Got: sum}
	}
	if err := t.out.Sync(); err != nil {
		return fmt.Errorf("writing the file to disk: %w", err)
	}
	return nil
}

// request asks for everything that is missing, and keeps what arrives. It asks the hub every time: where that
// sends it may expire.
func (t *transfer) request(ctx context.Context) error {
	ctx, touch, done := t.hub.watch(ctx)
	defer done()
	r, err := t.hub.get(ctx, t.address, fmt.Sprintf("bytes=%d-", t.have))
	if err != nil {
		return stalled(ctx, err)
	}
	defer r.Body.Close()
	body := watched{r.Body, touch}
	switch r.StatusCode {
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/", t.have, t.file.Bytes-1)
		if got := r.Header.Get("Content-Range"); got != want+strconv.FormatInt(t.file.Bytes, 10) && got != want+"*" {
			return fmt.Errorf("the server sends %q, want %q", got, want+strconv.FormatInt(t.file.Bytes, 10))
		}
	case http.StatusOK: // the server knows no ranges and sends the file from its start
		if r.ContentLength >= 0 && r.ContentLength != t.file.Bytes {
			return fmt.Errorf("the server sends %d bytes, want %d", r.ContentLength, t.file.Bytes)
		}
		if _, err := io.CopyN(io.Discard, body, t.have); err != nil {
			return cutShort(ctx, err)
		}
	default:
		return t.refused(r)
	}
	return t.receive(ctx, body)
}

// bufferBytes is how much is read, hashed and written at a time.
const bufferBytes = 256 << 10

// receive keeps what a body brings, up to the end of the file.
func (t *transfer) receive(ctx context.Context, body io.Reader) error {
	buffer := make([]byte, bufferBytes)
	for t.have < t.file.Bytes {
		n, err := body.Read(buffer[:min(bufferBytes, t.file.Bytes-t.have)])
		if n > 0 {
			if _, err := t.out.Write(buffer[:n]); err != nil {
				return fmt.Errorf("writing the part file: %w", err)
			}
			_, _ = t.sum.Write(buffer[:n]) // never fails
			t.have += int64(n)
			t.fetched += int64(n)
			t.meter.arrived(int64(n))
		}
		if err != nil && t.have < t.file.Bytes {
			return cutShort(ctx, err)
		}
	}
	return nil
}

// cutShort is the error of a body that ends too early; another request may bring the rest.
func cutShort(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return stalled(ctx, &transient{err: fmt.Errorf("the transfer was cut: %w", err)})
}

// refused is the error of an answer that says no. An address that the hub gave may have expired, so
// a refusal from elsewhere is tried again with a new address.
func (t *transfer) refused(r *http.Response) error {
	refusal := t.hub.refusal(r, t.repo, t.file.Path)
	switch r.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		if !sameOrigin(r.Request.URL.String(), t.hub.endpoint()) {
			return &transient{err: refusal}
		}
	}
	return again(r, refusal)
}

// remove deletes what an unfinished transfer leaves.
func (t *transfer) remove() {
	_ = os.Remove(t.part)
	_ = os.Remove(t.part + pathSuffix)
}

func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}
