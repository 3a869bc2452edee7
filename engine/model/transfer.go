package model

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// transfer fetches one file in chunks over several connections, and hashes it as it grows.
type transfer struct {
	hub         *Hub
	repo        string
	file        Remote
	address     string // at the hub
	part        string
	connections int
	meter       *meter
	fetched     atomic.Int64

	mu     sync.Mutex
	direct string // where the hub sent us; empty: ask again

	writing sync.Mutex // the kernel lets one at a time write a file, and has the others wait busily

	whole sync.Mutex // held by the one that reads a file that comes only whole

	out  *os.File
	list *os.File
	done []bool
	grew chan struct{} // a chunk was finished
}

// run fetches what is missing. When it returns nil the part file is whole, right and on disk.
func (t *transfer) run(ctx context.Context) (err error) {
	defer func() {
		for _, f := range []*os.File{t.out, t.list} {
			if f == nil {
				continue
			}
			if closing := f.Close(); err == nil && closing != nil {
				err = fmt.Errorf("closing the part file: %w", closing)
			}
		}
	}()
	if err := t.open(); err != nil {
		return err
	}
	sum, err := t.fetchAndHash(ctx)
	if err != nil {
		return err
	}
	if sum != t.file.Etag {
		_ = os.Remove(t.part)
		_ = os.Remove(t.part + doneSuffix)
		return &HashMismatch{Path: t.file.Path, Want: t.file.Etag, Got: sum}
	}
	if err := t.out.Sync(); err != nil {
		return fmt.Errorf("writing the file to disk: %w", err)
	}
	return nil
}

// fetchAndHash starts the connections and follows them, hashing every chunk as soon as all before
// it are there.
func (t *transfer) fetchAndHash(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var missing []int
	for i, d := range t.done {
		if !d {
			missing = append(missing, i)
		}
	}
	t.grew = make(chan struct{}, 1)
	next := make(chan int)
	failed := make(chan error, t.connections)
	var workers sync.WaitGroup
	for range min(t.connections, len(missing)) {
		workers.Go(func() {
			buffer := make([]byte, 256<<10)
			for i := range next {
				if err := t.chunk(ctx, i, buffer); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	go func() {
		defer close(next)
		for _, i := range missing {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	// Writing to disk goes along with the transfer, so that little is left to wait for at its end.
	flush := make(chan struct{}, 1)
	workers.Go(func() {
		for range flush {
			_ = t.out.Sync() // an error shows again at the last one
		}
	})
	sum, err := t.follow(ctx, failed, flush)
	close(flush)
	cancel()
	workers.Wait()
	return sum, err
}

// flushChunks is how many chunks are gathered before they are written to disk.
const flushChunks = 4

func (t *transfer) follow(ctx context.Context, failed <-chan error, flush chan<- struct{}) (string, error) {
	sum := newHash(t.file.Etag, t.file.Bytes)
	buffer := make([]byte, 256<<10)
	for at := 0; at < len(t.done); {
		t.mu.Lock()
		ready := t.done[at]
		t.mu.Unlock()
		if !ready {
			select {
			case <-t.grew:
			case err := <-failed:
				return "", err
			case <-ctx.Done():
				return "", ctx.Err()
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		section := io.NewSectionReader(t.out, int64(at)*chunkBytes, t.length(at))
		if _, err := io.CopyBuffer(onlyWriter{sum}, section, buffer); err != nil {
			return "", fmt.Errorf("reading the part file: %w", err)
		}
		at++
		if at%flushChunks == 0 {
			select {
			case flush <- struct{}{}:
			default: // the last one is still under way
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// onlyWriter keeps io.CopyBuffer to its buffer.
type onlyWriter struct{ io.Writer }

// errPlain says that the server sends a whole file where a part was asked for.
var errPlain = errors.New("the server knows no ranges")

// chunk fetches one chunk, in as many tries as it takes while they make progress.
func (t *transfer) chunk(ctx context.Context, i int, buffer []byte) error {
	at, end := int64(i)*chunkBytes, int64(i)*chunkBytes+t.length(i)
	for at < end {
		err := t.hub.retry(ctx, func() error {
			n, err := t.request(ctx, at, end, buffer)
			at += n
			if n > 0 && err != nil && errors.As(err, new(*transient)) {
				return nil // it moved: the next request counts its tries anew
			}
			return err
		})
		if errors.Is(err, errPlain) {
			return t.hub.retry(ctx, func() error { return t.stream(ctx, buffer) })
		}
		if err != nil {
			return err
		}
	}
	return t.finished(i)
}

// stream reads a file that comes only whole, by one connection, whoever else would like to.
func (t *transfer) stream(ctx context.Context, buffer []byte) error {
	t.whole.Lock()
	defer t.whole.Unlock()
	for i := range t.done {
		t.mu.Lock()
		done := t.done[i]
		t.mu.Unlock()
		if done {
			continue
		}
		// One answer serves all chunks from here on; what is already there is read over.
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		watch := t.watch(cancel)
		defer watch.Stop()
		r, err := t.ask(ctx, "")
		if err != nil {
			return stalled(ctx, err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return again(r, t.hub.refusal(r, t.repo, t.file.Path))
		}
		if _, err := io.CopyBuffer(onlyWriter{io.Discard}, io.LimitReader(r.Body, int64(i)*chunkBytes), buffer); err != nil {
			return stalled(ctx, &transient{err: fmt.Errorf("the transfer was cut: %w", err)})
		}
		for ; i < len(t.done); i++ {
			at := int64(i) * chunkBytes
			if n, err := t.receive(ctx, r.Body, at, at+t.length(i), buffer, watch); err != nil {
				t.meter.add(-n) // the next try reads this chunk from its start
				return err
			}
			if err := t.finished(i); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// watch cancels a transfer that brings nothing for too long.
func (t *transfer) watch(cancel context.CancelCauseFunc) *time.Timer {
	return time.AfterFunc(t.idle(), func() { cancel(errIdle) })
}

func (t *transfer) idle() time.Duration { return cmp.Or(t.hub.Idle, 30*time.Second) }

// request asks for the bytes from at up to end and writes what comes. It returns how many did.
func (t *transfer) request(ctx context.Context, at, end int64, buffer []byte) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := t.watch(cancel)
	defer watch.Stop()
	r, err := t.ask(ctx, fmt.Sprintf("bytes=%d-%d", at, end-1))
	if err != nil {
		return 0, stalled(ctx, err)
	}
	defer r.Body.Close()
	switch r.StatusCode {
	case http.StatusPartialContent:
		if want := fmt.Sprintf("bytes %d-%d/%d", at, end-1, t.file.Bytes); r.Header.Get("Content-Range") != want {
			return 0, fmt.Errorf("the server sends %q, want %q", r.Header.Get("Content-Range"), want)
		}
	case http.StatusOK:
		if r.ContentLength >= 0 && r.ContentLength != t.file.Bytes {
			return 0, fmt.Errorf("the server sends %d bytes, want %d", r.ContentLength, t.file.Bytes)
		}
		if at > 0 || end < t.file.Bytes {
			return 0, errPlain
		}
	default:
		refusal := t.hub.refusal(r, t.repo, t.file.Path)
		if !sameOrigin(r.Request.URL.String(), t.hub.endpoint()) {
			return 0, &transient{err: refusal} // the address may have run out since the hub gave it
		}
		return 0, again(r, refusal)
	}
	return t.receive(ctx, r.Body, at, end, buffer, watch)
}

// ask sends a request to where the hub sent us before, and to the hub where that refuses: a signed
// address runs out.
func (t *transfer) ask(ctx context.Context, byteRange string) (*http.Response, error) {
	t.mu.Lock()
	address := t.direct
	t.mu.Unlock()
	if address != "" {
		r, _, err := t.hub.get(ctx, address, byteRange)
		if err != nil || r.StatusCode < 400 || errors.As(again(r, io.EOF), new(*transient)) {
			return r, err
		}
		drain(r.Body)
		t.mu.Lock()
		t.direct = ""
		t.mu.Unlock()
	}
	r, answered, err := t.hub.get(ctx, t.address, byteRange)
	if err == nil && r.StatusCode < 400 && answered != t.address {
		t.mu.Lock()
		t.direct = answered
		t.mu.Unlock()
	}
	return r, err
}

// receive writes a body's bytes to their place in the part file.
func (t *transfer) receive(ctx context.Context, body io.Reader, at, end int64, buffer []byte, watch *time.Timer) (int64, error) {
	var n int64
	for n < end-at {
		got, err := body.Read(buffer[:min(int64(len(buffer)), end-at-n)])
		watch.Reset(t.idle())
		if got > 0 {
			t.writing.Lock()
			_, err := t.out.WriteAt(buffer[:got], at+n)
			t.writing.Unlock()
			if err != nil {
				return n, fmt.Errorf("writing the part file: %w", err)
			}
			n += int64(got)
			t.fetched.Add(int64(got))
			t.meter.arrived(int64(got))
		}
		if err != nil && n < end-at {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, stalled(ctx, &transient{err: fmt.Errorf("the transfer was cut: %w", err)})
		}
	}
	return n, nil
}

var errIdle = errors.New("nothing came for too long")

// stalled tells our own cancellation of a silent transfer from the user's.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return &transient{err: errIdle}
	}
	return err
}

func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}
