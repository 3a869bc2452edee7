package hub

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A file that is being fetched lies beside its future place. Its bytes do not arrive in order, so a
// second file says which of them are there: a line of JSON about the whole, then the number of
// every finished chunk. A program that is killed leaves at most a torn last line. What a
// power failure takes from the disk is found by the hash, and fetched anew from the start.
const (
	partSuffix = ".part"
	doneSuffix = ".done"
)

// chunkBytes is what one request asks for: large enough that a request's latency does not show, small
// enough that a kill costs little, and that the memory of five stays in the bound on a pull's.
const chunkBytes = 3 << 20

// pageBytes is what memory comes in, and a multiple of what disks are written in.
const pageBytes = 4096

// chunk is what one request asks for. It comes into memory, and from there it is written to disk and
// hashed, whichever is first.
type chunk struct {
	data []byte // its memory; nil: it has none
	came int64  // how many of its bytes are there
	done bool   // it is on disk, and on the list
}

// plan is the first line of the second file.
type plan struct {
	Path  string `json:"path"` // in the repository; files of other paths may have the same bytes
	Etag  string `json:"etag"`
	Bytes int64  `json:"bytes"`
	Chunk int64  `json:"chunk"`
}

// started is how many bytes of an interrupted download are there.
func (c Cache) started(repo string, f Remote) (n int64) {
	done := readDone(c.blob(repo, f.Etag)+partSuffix+doneSuffix, plan{f.Path, f.Etag, f.Bytes, chunkBytes})
	for i, d := range done {
		if d {
			n += min(chunkBytes, f.Bytes-int64(i)*chunkBytes)
		}
	}
	return n
}

// readDone reads which chunks are there; none if the file is about something else.
func readDone(path string, p plan) []bool {
	done := make([]bool, (p.Bytes+p.Chunk-1)/p.Chunk)
	found, rest, ok := readPlan(path)
	if found.Path = p.Path; !ok || found != p {
		return done
	}
	for rest != "" {
		line, next, whole := strings.Cut(rest, "\n")
		if i, err := strconv.Atoi(line); whole && err == nil && i >= 0 && i < len(done) {
			done[i] = true
		}
		rest = next
	}
	return done
}

// readPlan reads the first line, and returns the others.
func readPlan(path string) (p plan, lines string, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return plan{}, "", false
	}
	head, lines, _ := strings.Cut(string(data), "\n")
	err = json.Unmarshal([]byte(head), &p)
	return p, lines, err == nil
}

func (t *transfer) open() error {
	p := plan{t.file.Path, t.file.Etag, t.file.Bytes, chunkBytes}
	done := readDone(t.part+doneSuffix, p)
	info, err := os.Stat(t.part)
	if err != nil || info.Size() != t.file.Bytes {
		clear(done)
	}
	if t.out, err = os.OpenFile(t.part, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return fmt.Errorf("creating the part file: %w", err)
	}
	if err := t.out.Truncate(t.file.Bytes); err != nil {
		return fmt.Errorf("creating the part file: %w", err)
	}
	t.direct, _ = openDirect(t.part) // without it the page cache takes all
	head, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the list of chunks: %w", err)
	}
	var lines strings.Builder
	lines.Write(append(head, '\n'))
	t.chunks = make([]chunk, len(done))
	for i, d := range done {
		t.chunks[i].done = d
		if d {
			lines.WriteString(strconv.Itoa(i) + "\n")
			t.meter.add(t.length(i))
		}
	}
	// The list is written anew beside the old one, so that no kill leaves a torn line in its middle.
	list := t.part + doneSuffix
	if err := os.WriteFile(list+".new", []byte(lines.String()), 0o644); err != nil {
		return fmt.Errorf("writing the list of chunks: %w", err)
	}
	if err := os.Rename(list+".new", list); err != nil {
		return fmt.Errorf("writing the list of chunks: %w", err)
	}
	if t.list, err = os.OpenFile(list, os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
		return fmt.Errorf("opening the list of chunks: %w", err)
	}
	return nil
}

func (t *transfer) length(i int) int64 { return min(chunkBytes, t.file.Bytes-int64(i)*chunkBytes) }

// begin gives a chunk its memory.
func (t *transfer) begin(i int, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.chunks[i].data = data
}

// came says that so many more bytes of a chunk are in its memory.
func (t *transfer) came(i int, n int64) {
	t.meter.arrived(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.chunks[i].came += n
	t.tell()
}

// look returns what is in a chunk's memory, and whether the chunk is on disk.
func (t *transfer) look(i int) (data []byte, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.chunks[i]
	if c.data == nil {
		return nil, c.done
	}
	return c.data[:c.came], c.done
}

// keep writes a chunk to disk and puts it on the list.
func (t *transfer) keep(i int, data []byte) error {
	if err := t.write(data, int64(i)*chunkBytes); err != nil {
		return fmt.Errorf("writing the part file: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.list.WriteString(strconv.Itoa(i) + "\n"); err != nil {
		return fmt.Errorf("writing the list of chunks: %w", err)
	}
	t.chunks[i].done = true
	// A pull that goes on where it was hashes what is there first. What comes meanwhile does not wait
	// in memory, but is read again when its turn has come.
	if i < t.hashing || i >= t.hashing+cap(t.spare) {
		t.forget(i)
	}
	t.tell()
	return nil
}

// hashed says that the hash is done with a chunk.
func (t *transfer) hashed(i int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hashing = i + 1
	if t.chunks[i].done {
		t.forget(i)
	}
}

// forget takes a chunk's memory for others. The lock is held.
func (t *transfer) forget(i int) {
	if data := t.chunks[i].data; data != nil {
		t.chunks[i].data = nil
		t.spare <- data
	}
}

// tell wakes who waits for bytes.
func (t *transfer) tell() {
	select {
	case t.grew <- struct{}{}:
	default: // woken already, or nobody waits
	}
}

// write puts bytes in their place on disk. Where it can it goes past the page cache: that takes a
// tenth of the processor time or less, what other programs have in the cache stays there, and nothing is
// left to wait for at the end.
func (t *transfer) write(data []byte, at int64) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	n := 0
	if t.direct != nil {
		n = len(data) / pageBytes * pageBytes // the disk takes whole blocks
		if _, err := t.direct.WriteAt(data[:n], at); err != nil {
			n = 0 // if it is not this way alone that fails, it shows again below
		}
	}
	_, err := t.out.WriteAt(data[n:], at+int64(n))
	return err
}
