package event

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// checkedSince is the first version of the format whose lines have a checksum.
const checkedSince = 2

// Checked says whether reading the journal of this run would have detected damage.
func (r RunStarted) Checked() bool { return r.Version >= checkedSince }

var errDamaged = errors.New("the line does not match its checksum: the journal is damaged, or it was edited")

// A check is the CRC-32C (Castagnoli) of every line up to and including this one, without the checks and line ends.
// It continues from line to line, so a line that was moved, repeated or left out does not match either. It detects
// damage, not forgery: an editor of a journal can compute it again.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The check is the last key of a line: "crc32c", eight hexadecimal digits, and the end of the object.
const (
	sealBegin = `,"crc32c":"`
	sealEnd   = `"}`
	sealBytes = len(sealBegin) + 8 + len(sealEnd)
)

// seal adds the check to an encoded line. Sum is the checksum of the lines before it.
func seal(raw []byte, sum uint32) ([]byte, uint32) {
	sum = crc32.Update(sum, castagnoli, raw)
	return fmt.Appendf(raw[:len(raw)-1], "%s%08x%s", sealBegin, sum, sealEnd), sum
}

// check reads the check at the end of a line.
func check(raw []byte) (sum uint32, ok bool) {
	if len(raw) < sealBytes {
		return 0, false
	}
	text := string(raw[len(raw)-sealBytes:])
	text, ok = strings.CutPrefix(text, sealBegin)
	digits, end := strings.CutSuffix(text, sealEnd)
	n, err := strconv.ParseUint(digits, 16, 32)
	return uint32(n), ok && end && err == nil && digits == strings.ToLower(digits)
}

// unseal compares a line with its check and returns the sum from which the next line continues.
func unseal(raw []byte, sum uint32) (uint32, error) {
	said, ok := check(raw)
	if !ok {
		return 0, errDamaged
	}
	sum = crc32.Update(sum, castagnoli, raw[:len(raw)-sealBytes])
	sum = crc32.Update(sum, castagnoli, []byte("}")) // which follows the check
	if sum != said {
		return 0, errDamaged
	}
	return sum, nil
}

// MostTokens is the limit of any count of tokens or bytes.
const MostTokens = 1 << 40

const (
	longestRun = 10 * 365 * 24 * time.Hour // the limit of instants of a run, so that sums of instants do not overflow
	clockSlack = time.Second               // overlap of instants of two clocks, the kernel's and the process's
)

// plausible rejects an event that no run can have: instants out of range or order, negative counts. Figures computed
// from such values would look like measurements.
func (r *reader) plausible(e Event) error {
	if e.At < 0 || e.At > longestRun {
		return fmt.Errorf("its instant %d ns is out of range", e.At)
	}
	// The cells of a fleet are played at the same time, and each is stored as a whole when it has been played.
	if before := r.instants[e.Cell]; r.version >= checkedSince && e.At < before {
		return fmt.Errorf("its instant %v lies before that of the event before it, %v", e.At, before)
	}
	if b, ok := e.Body.(interface{ plausible() error }); ok {
		return b.plausible()
	}
	return nil
}

func (c ColdPrompts) plausible() error {
	if c.After < 0 {
		return fmt.Errorf("after_repeat: %d is no repeat", c.After)
	}
	for i, p := range c.Prompts {
		if p.Tokens <= 0 || p.Tokens > MostTokens || p.TTFT <= 0 || p.TTFT > longestRun {
			return fmt.Errorf("prompts: number %d, of %d tokens in %d ns, is out of range", i+1, p.Tokens, p.TTFT)
		}
	}
	return nil
}

func (w Windows) plausible() error {
	if w.From < 0 || w.From > longestRun || w.Each <= 0 || w.Each > longestRun {
		return fmt.Errorf("windows of %d ns from %d ns are out of range", w.Each, w.From)
	}
	return nil
}

func (a Attained) plausible() error {
	if a.Repeat < 1 {
		return fmt.Errorf("repeat: %d is no repeat", a.Repeat)
	}
	return nil
}

func (s Retrieval) plausible() error {
	for _, took := range []*time.Duration{&s.Embed, s.Rerank} {
		if took != nil && (*took < 0 || *took > longestRun) {
			return fmt.Errorf("retrieved: %d ns for step %s is out of range", *took, s.Step)
		}
	}
	return nil
}

func (q Request) plausible() error {
	for _, s := range q.Retrieved {
		if err := s.plausible(); err != nil {
			return err
		}
	}
	last := q.Due
	instants := []struct {
		name string
		at   *time.Duration
	}{
		{"due_ns", &q.Due}, {"sent_ns", q.Sent}, {"headers_ns", q.Headers}, {"first_event_ns", q.FirstEvent},
		{"finished_ns", q.Finished}, {"done_ns", &q.Done},
	}
	for _, x := range instants {
		switch {
		case x.at == nil:
			continue
		case *x.at < 0 || *x.at > longestRun:
			return fmt.Errorf("%s: %d ns is out of range", x.name, *x.at)
		case *x.at < last-clockSlack:
			return fmt.Errorf("%s: %v lies before %v, which must come first", x.name, *x.at, last)
		}
		last = max(last, *x.at)
	}
	if q.Connect != nil && (*q.Connect < 0 || *q.Connect > longestRun) {
		return fmt.Errorf("connect_ns: %d ns is out of range", *q.Connect)
	}
	last = q.Due
	for i, c := range q.Chunks {
		after := max(q.Due, c.At)
		if c.After != nil {
			after = *c.After
		}
		if c.At < last-clockSlack || c.At > q.Done+clockSlack || after < q.Due || after > c.At || c.Bytes < 0 {
			return fmt.Errorf("chunks: number %d, of %d bytes at %d ns, is out of order or range", i+1, c.Bytes, c.At)
		}
		last = max(last, c.At)
	}
	return q.countable()
}

// countable finds a number of tokens that cannot be.
func (q Request) countable() error {
	counts := []struct {
		name string
		n    *int
	}{
		{"prompt_tokens", q.Usage.Prompt}, {"completion_tokens", q.Usage.Completion}, {"reasoning_tokens", q.Usage.Reasoning},
		{"cached_tokens", q.Usage.Cached}, {"cached_tokens", q.Cached}, {"reusable_tokens", q.Reusable},
	}
	for _, c := range counts {
		if c.n != nil && (*c.n < 0 || *c.n > MostTokens) {
			return fmt.Errorf("%s: %d is out of range", c.name, *c.n)
		}
	}
	return nil
}
