package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"homellm/engine/filelock"
	"homellm/engine/large"
	"homellm/engine/secret"
)

// ErrTorn says that a journal ends in the middle of a line: its writer was killed, or is writing now. Every event
// before that was read.
var ErrTorn = errors.New("the journal ends in the middle of an event")

// ErrLocked says that another process writes the journal.
var ErrLocked = errors.New("another homellm writes this journal")

// kinds decodes each kind of body. A type that implements [Body] is listed here and nowhere else.
var kinds = map[string]func([]byte) (Body, error){
	RunStarted{}.kind():  decode[RunStarted],
	CellPlanned{}.kind(): decode[CellPlanned],
	CellStarted{}.kind(): decode[CellStarted],
	Request{}.kind():     decodeRequest,
	Verdict{}.kind():     decode[Verdict],
	Attained{}.kind():    decode[Attained],
	CellDone{}.kind():    decode[CellDone],
	CellFailed{}.kind():  decode[CellFailed],
	RoundDone{}.kind():   decode[RoundDone],
	Note{}.kind():        decode[Note],
	Sample{}.kind():      decode[Sample],
	ColdPrompts{}.kind(): decode[ColdPrompts],
	Facts{}.kind():       decode[Facts],
	Windows{}.kind():     decode[Windows],
	SinceLast{}.kind():   decode[SinceLast],
	RunDone{}.kind():     decode[RunDone],
}

func decode[T Body](raw []byte) (Body, error) {
	var b T
	err := json.Unmarshal(raw, &b)
	return b, err
}

// lasting says which events are flushed to the disk, so that a power cut loses nothing before them. In between, a
// lost tail costs at most one cell, and no request is in flight while the journal waits for the disk. The start of an
// attempt is flushed too: the next one must not reuse its number, of which its salt is made.
func lasting(b Body) bool {
	switch b.(type) {
	case CellStarted, CellDone, CellFailed, RoundDone, RunDone:
		return true
	case RunStarted, CellPlanned, Request, Verdict, Attained, Note, Sample, Facts, Windows, ColdPrompts, SinceLast:
		return false
	}
	return false
}

// line is one event in a journal. Body comes last, so that people can read a line.
type line struct {
	Seq  uint64        `json:"seq"`
	At   time.Duration `json:"at_ns"`
	Cell string        `json:"cell,omitempty"`
	Kind string        `json:"kind"`
	Body aliased       `json:"body"`
}

// Journal writes events to a file, one JSON object per line. It must be used from one goroutine.
type Journal struct {
	file  *os.File
	end   position
	err   error            // the first failed write; what follows it would be unreadable
	grown func(ended bool) // called when events are appended, and at the end; nil: there is no reader
}

// position is the state of a journal after its last event.
type position struct {
	seq     uint64        // of that event
	at      time.Duration // its instant
	version int           // of the format, from the first event
	sum     uint32        // the check of that line
}

// Create starts a journal. The file must not exist; the lock on it lasts until Close.
func Create(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the journal: %w", err)
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("creating the journal: %w", err), f.Close())
	}
	return &Journal{file: f}, nil
}

// Open continues a journal: it removes an incomplete last line, checks every event before it and returns them for the
// fold. Appending continues after the last of them. A link is rejected: the folder of a run may come from someone
// else, and only files inside it may be truncated and written.
func Open(path string) (*Journal, []Event, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the journal: %w", err)
	}
	if !named.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("opening the journal %s: not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the journal: %w", err)
	}
	if opened, err := f.Stat(); err != nil || !os.SameFile(named, opened) {
		return nil, nil, errors.Join(fmt.Errorf("opening the journal %s: another file took its place", path), err, f.Close())
	}
	j, events, err := resume(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("opening the journal %s: %w", path, err), f.Close())
	}
	return j, events, nil
}

// lock locks the journal for this process until it is closed.
func lock(f *os.File) error {
	err := filelock.Lock(f)
	if errors.Is(err, filelock.ErrLocked) {
		return ErrLocked
	}
	return err
}

func resume(f *os.File) (*Journal, []Event, error) {
	if err := lock(f); err != nil {
		return nil, nil, err
	}
	j := &Journal{file: f}
	var events []Event
	read := &reader{in: bufio.NewReader(f)}
	for {
		e, err := read.next()
		if errors.Is(err, io.EOF) || errors.Is(err, ErrTorn) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		events = append(events, e)
	}
	j.end = read.position
	if err := f.Truncate(read.good); err != nil {
		return nil, nil, fmt.Errorf("cutting the torn end: %w", err)
	}
	if _, err := f.Seek(read.good, io.SeekStart); err != nil {
		return nil, nil, err
	}
	return j, events, nil
}

// Seq is the number of the last event in the journal.
func (j *Journal) Seq() uint64 { return j.end.seq }

// Append writes one event. When Append returns, the operating system has it; an event that closes a cell or the run
// is on the disk. After a failed write the journal accepts nothing more.
func (j *Journal) Append(e Event) error {
	if j.err != nil {
		return j.err
	}
	if e.Seq != j.end.seq+1 {
		return fmt.Errorf("appending event %d to a journal that ends with %d", e.Seq, j.end.seq)
	}
	if err := j.write(e); err != nil {
		return err
	}
	if lasting(e.Body) {
		if err := j.file.Sync(); err != nil {
			j.err = fmt.Errorf("flushing event %d to the disk: %w", e.Seq, err)
			return j.err
		}
	}
	if j.grown != nil {
		j.grown(false)
	}
	return nil
}

func (j *Journal) write(e Event) error {
	if q, ok := e.Body.(Request); ok && q.large() {
		return j.writeLarge(e, q)
	}
	raw, end, err := encode(e, j.end)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(raw); err != nil {
		j.err = fmt.Errorf("writing event %d: %w", e.Seq, err)
		return j.err
	}
	j.end = end
	return nil
}

// Close releases the journal and its lock.
func (j *Journal) Close() error {
	if j.grown != nil {
		j.grown(true)
		j.grown = nil
	}
	if err := j.file.Close(); err != nil {
		return fmt.Errorf("closing the journal: %w", err)
	}
	return nil
}

// encode returns the line of an event at a position, and the position after it.
func encode(e Event, at position) ([]byte, position, error) {
	head, err := headOf(e)
	if err != nil {
		return nil, at, err
	}
	var b bytes.Buffer
	b.Write(head)
	if err := json.NewEncoder(&b).Encode(e.Body); err != nil {
		return nil, at, fmt.Errorf("encoding event %d (%s): %w", e.Seq, e.Body.kind(), err)
	}
	raw := append(bytes.TrimSuffix(b.Bytes(), []byte("\n")), '}')
	if len(raw)+sealBytes >= longestLine {
		return nil, at, tooLong(e)
	}
	if head, ok := e.Body.(RunStarted); ok {
		at.version = head.Version
	}
	if at.version >= checkedSince {
		raw, at.sum = seal(raw, at.sum)
	}
	at.seq, at.at = e.Seq, e.At
	return append(raw, '\n'), at, nil
}

// headOf returns the line of an event up to its body, which comes last.
func headOf(e Event) ([]byte, error) {
	head, err := json.Marshal(line{e.Seq, e.At, e.Cell, e.Body.kind(), aliased("0")})
	if err != nil {
		return nil, fmt.Errorf("encoding event %d: %w", e.Seq, err)
	}
	return bytes.TrimSuffix(head, []byte("0}")), nil
}

func tooLong(e Event) error {
	return fmt.Errorf("encoding event %d (%s): it has more than %d MiB", e.Seq, e.Body.kind(), longestLine>>20)
}

// Masked is the event with stars in place of every known secret: a server may have repeated one in any text.
func (e Event) Masked() (Event, error) {
	if !secret.Any() {
		return e, nil
	}
	var cut largeTexts
	if q, ok := e.Body.(Request); ok {
		e.Body = cut.from(q)
	}
	body, err := json.Marshal(e.Body)
	if err != nil {
		return Event{}, fmt.Errorf("encoding event %d (%s): %w", e.Seq, e.Body.kind(), err)
	}
	if masked := secret.Stars(body); !bytes.Equal(body, masked) {
		e.Body, err = kinds[e.Body.kind()](masked)
	}
	if q, ok := e.Body.(Request); ok {
		e.Body = cut.back(q)
	}
	return e, err
}

// Read returns the events of a journal in order. An error is the last thing it yields: [ErrTorn] after an incomplete
// last line, any other error for a journal that cannot be trusted from that line on. Unknown fields are ignored; an
// unknown kind and a journal of a later version are errors.
func Read(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		read := &reader{in: bufio.NewReader(r)}
		for {
			e, err := read.next()
			if errors.Is(err, io.EOF) || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

type reader struct {
	position
	instants map[string]time.Duration // of the latest event of each cell
	in       *bufio.Reader
	good     int64  // bytes up to the end of the last event
	writer   string // the program version that began the journal
}

// longestLine limits an event, written or read: the longest reply that is kept, fully escaped, has 96 MiB.
var longestLine = 128 << 20 // bytes; tests shorten it

// line returns the bytes of the next event. It stops reading as soon as the bytes cannot be an event, and reports an
// incomplete event as torn.
func (r *reader) line() (raw []byte, err error) {
	var more large.Pile
	for {
		part, err := r.in.ReadSlice('\n')
		if len(raw) < large.Least {
			raw = append(raw, part...)
		} else {
			more.Add(part)
		}
		if err == nil || errors.Is(err, io.EOF) {
			raw = more.Join(raw, nil)
		}
		switch {
		case err == nil:
			return raw, nil
		case !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF):
			return nil, err
		case len(raw) == 0:
			return nil, io.EOF
		case r.seq > 0 && raw[0] == 0:
			return nil, ErrTorn // a power cut leaves zeros in place of the last blocks
		case raw[0] != '{', errors.Is(err, io.EOF) && !r.begun(raw):
			return nil, errors.New("not an event: this is not a journal, or it is damaged")
		case len(raw)+more.Size > longestLine:
			return nil, fmt.Errorf("the event has more than %d MiB", longestLine>>20)
		case errors.Is(err, io.EOF):
			if _, whole := check(raw[:len(raw)-1]); whole {
				return nil, errDamaged // the line is complete, and is not an event
			}
			return nil, ErrTorn
		}
	}
}

// begun says whether an incomplete line is the beginning of the next event.
func (r *reader) begun(raw []byte) bool {
	head := fmt.Sprintf(`{"seq":%d,`, r.seq+1)
	return strings.HasPrefix(head, string(raw[:min(len(raw), len(head))]))
}

// next returns the next event, io.EOF at a clean end, or the reason to stop.
func (r *reader) next() (Event, error) {
	raw, err := r.line()
	if errors.Is(err, io.EOF) {
		return Event{}, io.EOF
	}
	if err != nil {
		return Event{}, fmt.Errorf("line %d: %w", r.seq+1, err)
	}
	e, err := r.parse(bytes.TrimSuffix(raw, []byte("\n")))
	if err != nil {
		return Event{}, fmt.Errorf("line %d: %w", r.seq+1, err)
	}
	r.good += int64(len(raw))
	return e, nil
}

func (r *reader) parse(raw []byte) (_ Event, err error) {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return Event{}, fmt.Errorf("not an event: %w", err)
	}
	if l.Seq != r.seq+1 {
		return Event{}, fmt.Errorf("event %d follows event %d: the journal has a gap", l.Seq, r.seq)
	}
	if l.Seq == 1 {
		if err := r.head(l); err != nil {
			return Event{}, err
		}
	}
	if r.version >= checkedSince {
		if r.sum, err = unseal(raw, r.sum); err != nil {
			return Event{}, err
		}
	} else if _, sealed := check(raw); sealed {
		return Event{}, errDamaged // older versions had no checks
	}
	decode, ok := kinds[l.Kind]
	if !ok {
		return Event{}, fmt.Errorf("unknown kind of event %q in a journal of version %d, written by homellm %s", l.Kind,
			r.version, r.writer)
	}
	body, err := decode(l.Body)
	if err != nil {
		return Event{}, fmt.Errorf("event %d (%s): %w", l.Seq, l.Kind, err)
	}
	e := Event{Seq: l.Seq, At: l.At, Cell: l.Cell, Body: body}
	if err := r.plausible(e); err != nil {
		return Event{}, fmt.Errorf("event %d (%s): %w", l.Seq, l.Kind, err)
	}
	if r.instants == nil {
		r.instants = map[string]time.Duration{}
	}
	r.seq, r.at, r.instants[e.Cell] = e.Seq, e.At, e.At
	return e, nil
}

// head checks the first event before any other is decoded, so that a journal of a later version is rejected for that
// reason and not for the first unknown detail.
func (r *reader) head(l line) error {
	if l.Kind != (RunStarted{}).kind() {
		return fmt.Errorf("a journal begins with %s, not with %q", RunStarted{}.kind(), l.Kind)
	}
	var head struct {
		Version int    `json:"version"`
		Homellm string `json:"homellm"`
	}
	if err := json.Unmarshal(l.Body, &head); err != nil {
		return fmt.Errorf("head of the journal: %w", err)
	}
	r.version, r.writer = head.Version, head.Homellm
	switch {
	case head.Version > Version:
		return fmt.Errorf("the journal is of version %d, written by homellm %s; this homellm reads up to version %d",
			head.Version, head.Homellm, Version)
	case head.Version < 1:
		return fmt.Errorf("the journal says that it is of version %d", head.Version)
	}
	return nil
}
