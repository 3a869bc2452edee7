package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"homellm/engine/large"
	"homellm/engine/secret"
)

// A request with a large reply is written and read in pieces, so that it needs hardly more memory than its texts.

// aliased is a part of a JSON document that shares the document's memory.
type aliased []byte

// UnmarshalJSON keeps the part without copying it. The document that [json.Unmarshal] reads must not change afterwards.
func (a *aliased) UnmarshalJSON(part []byte) error {
	*a = part
	return nil
}

// MarshalJSON returns the part unchanged.
func (a aliased) MarshalJSON() ([]byte, error) { return a, nil }

// decodeRequest reads a request. In journals without a mark for prefills, only inject steps have them.
func decodeRequest(raw []byte) (Body, error) {
	var r Request
	var found large.Found
	err := json.Unmarshal(found.Find(raw), &r)
	if err == nil && !found.Put(r.texts()...) { // an unknown field has a large text
		r = Request{}
		err = json.Unmarshal(raw, &r)
	}
	r.Prefill = r.Prefill || r.Action == "inject"
	return r, err
}

// texts returns the texts of a request that may be large.
func (q *Request) texts() []*string {
	out := []*string{&q.Text, &q.Reasoning, &q.Tools, &q.Finish}
	for i := range q.Calls {
		f := &q.Calls[i].Function
		out = append(out, &f.Arguments, &f.Name, &q.Calls[i].ID)
	}
	return out
}

// manyChunks is the number of chunks from which a request is written in pieces.
const manyChunks = 1024

// large reports whether the request is written in pieces.
func (q Request) large() bool {
	isLarge := func(s *string) bool { return len(*s) >= large.Least }
	return len(q.Chunks) >= manyChunks || slices.ContainsFunc(q.texts(), isLarge)
}

// withoutChunks is a request whose chunks are written separately.
type withoutChunks struct {
	requestFields
	Chunks string `json:"chunks"`
}

// requestFields has the fields of a request but not its method kind.
type requestFields Request

// writeLarge writes an event with a large request. It is encoded twice: its length has to be known first.
func (j *Journal) writeLarge(e Event, q Request) error {
	head, err := headOf(e)
	if err != nil {
		return err
	}
	q.Calls = slices.Clone(q.Calls)
	var parts large.Parts
	parts.Cut(q.texts()...)
	apart := withoutChunks{requestFields(q), parts.Put(func(w io.Writer) error { return writeChunks(w, q.Chunks) })}
	body, err := json.Marshal(apart)
	if err != nil {
		return fmt.Errorf("encoding event %d (%s): %w", e.Seq, e.Body.kind(), err)
	}
	var length counter
	if err := parts.Write(&length, body); err != nil {
		return fmt.Errorf("encoding event %d (%s): %w", e.Seq, e.Body.kind(), err)
	}
	if len(head)+int(length)+len("}")+sealBytes >= longestLine {
		return tooLong(e)
	}
	out := bufio.NewWriterSize(j.file, large.Least)
	end := position{seq: e.Seq, at: e.At, version: j.end.version, sum: j.end.sum}
	checked := io.MultiWriter(out, (*checksum)(&end.sum))
	_, err = checked.Write(head)
	if err == nil {
		err = parts.Write(checked, body)
	}
	if err == nil {
		err = finish(out, &end)
	}
	if err != nil {
		j.err = fmt.Errorf("writing event %d: %w", e.Seq, err)
		return j.err
	}
	j.end = end
	return nil
}

// finish writes the end of a line.
func finish(out *bufio.Writer, at *position) error {
	seal := "}"
	at.sum = crc32.Update(at.sum, castagnoli, []byte(seal))
	if at.version >= checkedSince {
		seal = fmt.Sprintf("%s%08x%s", sealBegin, at.sum, sealEnd)
	}
	if _, err := out.WriteString(seal + "\n"); err != nil {
		return err
	}
	return out.Flush()
}

// writeChunks writes chunks as a list, a few at a time.
func writeChunks(w io.Writer, chunks []Chunk) error {
	if chunks == nil {
		_, err := io.WriteString(w, "null")
		return err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	before := "["
	for some := range slices.Chunk(chunks, manyChunks) {
		b.Reset()
		if err := encoder.Encode(some); err != nil {
			return err
		}
		if _, err := io.WriteString(w, before); err != nil {
			return err
		}
		if _, err := w.Write(b.Bytes()[len("[") : b.Len()-len("]\n")]); err != nil {
			return err
		}
		before = ","
	}
	_, err := io.WriteString(w, strings.TrimPrefix(before, ",")+"]")
	return err
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

type checksum uint32

func (c *checksum) Write(p []byte) (int, error) {
	*c = checksum(crc32.Update(uint32(*c), castagnoli, p))
	return len(p), nil
}

// largeTexts holds the large texts and the chunks of a request while the rest is searched for secrets.
type largeTexts struct {
	texts  []string
	chunks []Chunk
}

// from takes them out of a request and replaces secrets in the texts.
func (l *largeTexts) from(q Request) Request {
	if !q.large() {
		return q
	}
	l.chunks, q.Chunks = q.Chunks, nil
	q.Calls = slices.Clone(q.Calls)
	for _, t := range q.texts() {
		if l.texts = append(l.texts, ""); len(*t) >= large.Least {
			l.texts[len(l.texts)-1] = large.Own(secret.Stars(large.View(*t)))
			*t = ""
		}
	}
	return q
}

// back puts them back.
func (l *largeTexts) back(q Request) Request {
	if l.texts == nil {
		return q
	}
	q.Chunks = l.chunks
	for i, t := range q.texts() {
		if l.texts[i] != "" {
			*t = l.texts[i]
		}
	}
	return q
}
