package model

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

// chunkBytes is what one request asks for: large enough that a request's latency does not show,
// small enough that a kill costs little.
const chunkBytes = 8 << 20

// plan is the first line of the second file.
type plan struct {
	Etag  string `json:"etag"`
	Bytes int64  `json:"bytes"`
	Chunk int64  `json:"chunk"`
}

// started is how many bytes of an interrupted download are there.
func (c Cache) started(repo string, f Remote) (n int64) {
	done := readDone(c.blob(repo, f.Etag)+partSuffix+doneSuffix, plan{f.Etag, f.Bytes, chunkBytes})
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
	data, err := os.ReadFile(path)
	if err != nil {
		return done
	}
	head, rest, _ := strings.Cut(string(data), "\n")
	var found plan
	if json.Unmarshal([]byte(head), &found) != nil || found != p {
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

func (t *transfer) open() error {
	p := plan{t.file.Etag, t.file.Bytes, chunkBytes}
	t.done = readDone(t.part+doneSuffix, p)
	info, err := os.Stat(t.part)
	if err != nil || info.Size() != t.file.Bytes {
		clear(t.done)
	}
	if t.out, err = os.OpenFile(t.part, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return fmt.Errorf("creating the part file: %w", err)
	}
	if err := t.out.Truncate(t.file.Bytes); err != nil {
		return fmt.Errorf("creating the part file: %w", err)
	}
	head, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("writing the list of chunks: %w", err)
	}
	var lines strings.Builder
	lines.Write(append(head, '\n'))
	for i, d := range t.done {
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

// finished puts a chunk on the list.
func (t *transfer) finished(i int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.list.WriteString(strconv.Itoa(i) + "\n"); err != nil {
		return fmt.Errorf("writing the list of chunks: %w", err)
	}
	t.done[i] = true
	select {
	case t.grew <- struct{}{}:
	default:
	}
	return nil
}
