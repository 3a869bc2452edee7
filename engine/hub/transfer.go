package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

	out    *os.File
	direct *os.File // the same file, written past the page cache; nil: this system or disk cannot
	list   *os.File

	writing sync.Mutex // the kernel lets one at a time write a file, and has the others wait busily

	spare chan []byte   // memory for chunks
	grew  chan struct{} // bytes came, or a chunk was finished

	mu      sync.Mutex
	store   string // where the hub sent us; empty: ask again
	chunks  []chunk
	hashing int // the chunk that is being hashed; all before it are
}

// run fetches what is missing. When it returns nil the part file is whole, right and on disk.
func (t *transfer) run(ctx context.Context) (err error) {
	defer func() {
		if closing := t.close(); err == nil {
			err = closing
		}
	}()
	if err := t.open(); err != nil {
		return err
	}
	sum, err := t.fetch(ctx)
	if errors.Is(err, errPlain) {
		sum, err = t.fetchWhole(ctx)
	}
	if err != nil {
		return err
	}
	if sum != t.file.Etag {
		_ = t.close() // an open file cannot be removed everywhere
		_ = os.Remove(t.part)
		_ = os.Remove(t.part + doneSuffix)
		return &HashMismatch{Path: t.file.Path, Want: t.file.Etag, Got: sum}
	}
	if err := t.out.Sync(); err != nil {
		return fmt.Errorf("writing the file to disk: %w", err)
	}
	return nil
}

func (t *transfer) close() (err error) {
	for _, f := range []**os.File{&t.direct, &t.out, &t.list} {
		if *f != nil {
			err = errors.Join(err, (*f).Close())
			*f = nil
		}
	}
	if err != nil {
		return fmt.Errorf("closing the part file: %w", err)
	}
	return nil
}

// fetch has several connections fetch what is missing, and hashes what they bring. It returns the
// hash of the whole file.
func (t *transfer) fetch(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var missing []int
	for i, c := range t.chunks {
		if !c.done {
			missing = append(missing, i)
		}
	}
	connections := min(t.connections, len(missing))
	// One more than there are connections: they go on while a chunk is hashed.
	memory, release, err := pages(connections+1, min(chunkBytes, t.file.Bytes))
	if err != nil {
		return "", err
	}
	defer func() {
		for i := range t.chunks {
			t.chunks[i].data = nil
		}
		release()
	}()
	t.spare = make(chan []byte, len(memory))
	for _, m := range memory {
		t.spare <- m
	}
	t.grew = make(chan struct{}, 1)
	next := make(chan int)
	failed := make(chan error, connections)
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for i := range next {
				if err := t.chunk(ctx, i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	workers.Go(func() {
		defer close(next)
		for _, i := range missing {
			// Memory goes to the chunks in their order: the one that the hash waits for has some.
			select {
			case data := <-t.spare:
				t.begin(i, data)
			case <-ctx.Done():
				return
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	sum, err := t.follow(ctx, failed)
	if err != nil {
		cancel()
	}
	workers.Wait() // what is hashed may still be on its way to disk
	if err == nil {
		select {
		case err = <-failed:
		default:
		}
	}
	return sum, err
}

// follow hashes the file from its start, as far as it is there.
func (t *transfer) follow(ctx context.Context, failed <-chan error) (string, error) {
	sum := newHash(t.file.Etag, t.file.Bytes)
	for i := range t.chunks {
		for n := int64(0); n < t.length(i); {
			select {
			case err := <-failed:
				return "", err
			case <-ctx.Done():
				return "", ctx.Err()
			default:
			}
			data, done := t.look(i)
			switch {
			case n < int64(len(data)):
				_, _ = sum.Write(data[n:]) // never fails
				n = int64(len(data))
			case done:
				if err := t.hashFile(sum, i, n); err != nil {
					return "", err
				}
				n = t.length(i)
			default:
				select {
				case <-t.grew:
				case err := <-failed:
					return "", err
				case <-ctx.Done():
				}
			}
		}
		t.hashed(i)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// hashFile hashes a chunk from its byte n on as it is on disk.
func (t *transfer) hashFile(sum io.Writer, i int, n int64) error {
	section := io.NewSectionReader(t.out, int64(i)*chunkBytes+n, t.length(i)-n)
	if _, err := io.CopyBuffer(onlyWriter{sum}, section, make([]byte, 256<<10)); err != nil {
		return fmt.Errorf("reading the part file: %w", err)
	}
	return nil
}

// onlyWriter keeps io.CopyBuffer to its buffer.
type onlyWriter struct{ io.Writer }

// errPlain says that the server sends a whole file where a part was asked for.
var errPlain = errors.New("the server knows no ranges")

// chunk fetches one chunk, in as many tries as it takes while they make progress.
func (t *transfer) chunk(ctx context.Context, i int) error {
	data := t.chunks[i].data[:t.length(i)]
	var n int64
	for n < int64(len(data)) {
		err := t.hub.retry(ctx, func() error {
			got, err := t.request(ctx, i, n, data[n:])
			n += got
			if got > 0 && err != nil && errors.As(err, new(*transient)) {
				return nil // it moved: the next request counts its tries anew
			}
			return err
		})
		if err != nil {
			t.meter.add(-n) // what came of the chunk is lost
			return err
		}
	}
	return t.keep(i, data)
}

// fetchWhole reads a file that comes only whole, over one connection and from its start at every try.
func (t *transfer) fetchWhole(ctx context.Context) (sum string, err error) {
	memory, release, err := pages(1, min(chunkBytes, t.file.Bytes))
	if err != nil {
		return "", err
	}
	defer release()
	err = t.hub.retry(ctx, func() error {
		sum, err = t.whole(ctx, memory[0])
		return err
	})
	return sum, err
}

func (t *transfer) whole(ctx context.Context, memory []byte) (string, error) {
	ctx, touch, done := t.hub.watch(ctx)
	defer done()
	r, err := t.ask(ctx, "")
	if err != nil {
		return "", stalled(ctx, err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return "", t.refused(r)
	}
	sum := newHash(t.file.Etag, t.file.Bytes)
	for i := range t.chunks {
		data := memory[:t.length(i)]
		if t.chunks[i].done { // read over it, and hash what is here
			if _, err := t.receive(ctx, watched{r.Body, touch}, data, nil); err != nil {
				return "", err
			}
			if err := t.hashFile(sum, i, 0); err != nil {
				return "", err
			}
			continue
		}
		var n int64
		if _, err := t.receive(ctx, watched{r.Body, touch}, data, func(got int64) { n += got; t.meter.arrived(got) }); err != nil {
			t.meter.add(-n) // the next try reads this chunk from its start
			return "", err
		}
		_, _ = sum.Write(data) // never fails
		if err := t.keep(i, data); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// request asks for the rest of a chunk from its byte n on. It returns how many bytes came.
func (t *transfer) request(ctx context.Context, i int, n int64, rest []byte) (int64, error) {
	at := int64(i)*chunkBytes + n
	end := at + int64(len(rest))
	ctx, touch, done := t.hub.watch(ctx)
	defer done()
	r, err := t.ask(ctx, fmt.Sprintf("bytes=%d-%d", at, end-1))
	if err != nil {
		return 0, stalled(ctx, err)
	}
	defer r.Body.Close()
	switch r.StatusCode {
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/", at, end-1)
		if got := r.Header.Get("Content-Range"); got != want+strconv.FormatInt(t.file.Bytes, 10) && got != want+"*" {
			return 0, fmt.Errorf("the server sends %q, want %q", got, want+strconv.FormatInt(t.file.Bytes, 10))
		}
	case http.StatusOK:
		if r.ContentLength >= 0 && r.ContentLength != t.file.Bytes {
			return 0, fmt.Errorf("the server sends %d bytes, want %d", r.ContentLength, t.file.Bytes)
		}
		if at > 0 || end < t.file.Bytes {
			return 0, errPlain
		}
	default:
		return 0, t.refused(r)
	}
	return t.receive(ctx, watched{r.Body, touch}, rest, func(got int64) { t.came(i, got) })
}

// refused is the error of an answer that says no. An address that the hub gave may have run out since: the
// hub is asked for another one.
func (t *transfer) refused(r *http.Response) error {
	refusal := t.hub.refusal(r, t.repo, t.file.Path)
	elsewhere := !sameOrigin(r.Request.URL.String(), t.hub.endpoint())
	switch r.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		if elsewhere {
			return &transient{err: refusal}
		}
	}
	return again(r, refusal)
}

// ask sends a request to where the hub sent us before, and to the hub where that refuses: a signed
// address runs out.
func (t *transfer) ask(ctx context.Context, byteRange string) (*http.Response, error) {
	t.mu.Lock()
	address := t.store
	t.mu.Unlock()
	if address != "" {
		r, _, err := t.hub.get(ctx, address, byteRange)
		if err != nil || r.StatusCode < 400 || errors.As(again(r, io.EOF), new(*transient)) {
			return r, err
		}
		drain(r.Body)
		t.mu.Lock()
		t.store = ""
		t.mu.Unlock()
	}
	r, answered, err := t.hub.get(ctx, t.address, byteRange)
	if err == nil && r.StatusCode < 400 && answered != t.address {
		t.mu.Lock()
		t.store = answered
		t.mu.Unlock()
	}
	return r, err
}

// receive fills data from a body, and tells of every piece that came.
func (t *transfer) receive(ctx context.Context, body io.Reader, data []byte, tell func(int64)) (int64, error) {
	var n int64
	for n < int64(len(data)) {
		got, err := body.Read(data[n:])
		n += int64(got)
		if got > 0 && tell != nil {
			t.fetched.Add(int64(got))
			tell(int64(got))
		}
		if err != nil && n < int64(len(data)) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, stalled(ctx, &transient{err: fmt.Errorf("the transfer was cut: %w", err)})
		}
	}
	return n, nil
}

func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}
