package client

import (
	"bytes"
	"strings"

	"homellm/engine/large"
	"homellm/engine/wire"
)

// A framer cuts a body into events, wherever the reads split it. After feed, call next until it returns false. At the
// end of the body call end, which returns what is left of a body without a final line end. Data is valid until the
// next call.
type framer interface {
	feed(p []byte, lasting bool) // lasting bytes do not change, and need not be copied
	next() (frame, bool)
	end() (frame, bool)
	pending() int  // bytes kept for an incomplete event
	comments() int // keep-alive lines so far
}

// frame is one event of a body.
type frame struct {
	data  []byte
	error bool // the framing marks an error: `event: error`, or a field named `error`
}

// framings lists the framings by the name that [event.Wire] records.
var framings = map[string]func() framer{
	"sse":    func() framer { return new(sse) },
	"ndjson": func() framer { return new(ndjson) },
	"json":   func() framer { return new(whole) },
}

// framingOf returns the framing of a media type. For other types, and for streams labelled as JSON, the first byte
// decides: a good stream with a wrong label is measured, and the label is recorded.
var framingOf = map[string]string{
	"text/event-stream":    "sse",
	"application/x-ndjson": "ndjson",
	"application/ndjson":   "ndjson",
	"application/jsonl":    "ndjson",
	"application/json":     "json",
}

// sniff picks the framing by the first byte that is not white space; nil until there is one.
func sniff(p []byte, d *dialect, labelledJSON bool) string {
	p = bytes.TrimLeft(p, " \t\r\n")
	const beginSSE = "de:ir" // data, event, a comment, id, retry: no JSON begins with these
	switch {
	case len(p) == 0:
		return ""
	case labelledJSON && strings.IndexByte(beginSSE, p[0]) < 0:
		return "json"
	case p[0] != '{':
		return "sse"
	case d.Name == wire.Ollama:
		return "ndjson"
	}
	return "json"
}

// lines cuts a byte stream into lines that end in LF, CR LF or CR.
type lines struct {
	in     []byte     // fed but not yet cut into lines; the caller's memory
	carry  []byte     // the start of an incomplete line
	more   large.Pile // the rest of that line, if it is large
	last   bool       // the bytes of in will not change
	taken  bool       // carry was returned and can be reused
	skipLF bool       // the last line ended in CR: an LF that follows belongs to it
	loneCR bool       // CR alone ends a line (SSE); in other framings it is white space
}

func (l *lines) feed(p []byte, lasting bool) { l.in, l.last = p, lasting }

func (l *lines) line() ([]byte, bool) {
	if l.taken {
		l.carry, l.taken = large.Emptied(l.carry), false
	}
	if l.skipLF && len(l.in) > 0 {
		if l.in[0] == '\n' {
			l.in = l.in[1:]
		}
		l.skipLF = false
	}
	cut := bytes.IndexByte(l.in, '\n')
	rest := cut + 1
	if l.loneCR {
		span := l.in
		if cut >= 0 {
			span = l.in[:cut]
		}
		if cr := bytes.IndexByte(span, '\r'); cr >= 0 {
			switch {
			case cr+1 < len(l.in) && l.in[cr+1] == '\n':
				rest = cr + 2
			default:
				rest = cr + 1
				l.skipLF = rest == len(l.in)
			}
			cut = cr
		}
	}
	if cut < 0 {
		l.keepStart()
		return nil, false
	}
	line := l.in[:cut]
	l.in = l.in[rest:]
	if len(l.carry)+l.more.Size > 0 {
		l.join(line)
		l.taken = true
		line = l.carry
	}
	return line, true
}

// keepStart keeps the part of an incomplete line that has arrived.
func (l *lines) keepStart() {
	switch {
	case len(l.carry)+len(l.in) <= large.Least && l.more.Size == 0:
		l.carry = append(l.carry, l.in...)
	case l.last:
		l.more.Refer(l.in)
	default:
		l.more.Add(l.in)
	}
	l.in = nil
}

// join appends the end of a line to its start.
func (l *lines) join(end []byte) {
	if l.more.Size > 0 {
		l.carry = l.more.Join(l.carry, end)
	} else {
		l.carry = append(l.carry, end...)
	}
}

// rest is the last line of a body without a final line end.
func (l *lines) rest() ([]byte, bool) {
	if l.taken || len(l.carry)+l.more.Size == 0 {
		return nil, false
	}
	l.join(nil)
	l.taken = true
	return l.carry, true
}

func (l *lines) pending() int {
	if l.taken {
		return 0
	}
	return len(l.carry) + l.more.Size
}

// sse is text/event-stream as the HTML standard defines it, with two extensions that real servers need: the last
// event counts without the blank line after it, and a field named `error`, which llama.cpp used to send, is a
// separate event.
type sse struct {
	lines
	begun   bool
	isError bool   // `event: error` was seen for the event being read
	has     bool   // it has data
	data    []byte // its data so far
	alias   bool   // data still points into the bytes fed and is not yet copied
	copied  []byte // a copy that is valid after the next feed
	seen    int    // comments
}

func (f *sse) comments() int { return f.seen }

func (f *sse) pending() int { return f.lines.pending() + len(f.data) }

func (f *sse) feed(p []byte, lasting bool) {
	f.loneCR = true
	f.lines.feed(p, lasting)
}

func (f *sse) next() (frame, bool) {
	for {
		line, ok := f.line()
		if !ok {
			f.keep()
			return frame{}, false
		}
		if fr, ok := f.take(line); ok {
			return fr, true
		}
	}
}

func (f *sse) end() (frame, bool) {
	if line, ok := f.rest(); ok {
		if fr, ok := f.take(line); ok {
			return fr, true
		}
	}
	return f.take(nil)
}

// keep copies data that still points into the bytes fed.
func (f *sse) keep() {
	if f.alias {
		f.copied = append(f.copied[:0], f.data...)
		f.data, f.alias = f.copied, false
	}
}

var byteOrderMark = []byte("\xEF\xBB\xBF")

// take handles one line and returns the event that it completes.
func (f *sse) take(line []byte) (frame, bool) {
	if !f.begun {
		f.begun = true
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	if len(line) == 0 {
		fr := frame{data: f.data, error: f.isError}
		done := f.has
		f.data, f.has, f.alias, f.isError = nil, false, false, false
		return fr, done
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "":
		f.seen++
	case "data":
		f.append(value)
	case "event":
		f.isError = string(value) == "error"
	case "error":
		return frame{data: value, error: true}, true
	}
	return frame{}, false
}

func (f *sse) append(value []byte) {
	if !f.has {
		f.data, f.has, f.alias = value, true, true
		switch {
		case f.taken && cap(f.carry) > large.Least: // the next line gets other memory
			f.alias = false
		case f.taken: // the next line may reuse the memory of this one
			f.keep()
		}
		return
	}
	f.keep()
	f.copied = append(append(f.data, '\n'), value...)
	f.data = f.copied
}

// ndjson is one JSON value per line.
type ndjson struct{ lines }

func (f *ndjson) comments() int { return 0 }

func (f *ndjson) next() (frame, bool) {
	for {
		line, ok := f.line()
		if !ok {
			return frame{}, false
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return frame{data: line}, true
		}
	}
}

func (f *ndjson) end() (frame, bool) {
	line, _ := f.rest()
	line = bytes.TrimSpace(line)
	return frame{data: line}, len(line) > 0
}

// whole is a body with a single value.
type whole struct{ body large.Pile }

func (f *whole) feed(p []byte, lasting bool) {
	if lasting {
		f.body.Refer(p)
	} else {
		f.body.Add(p)
	}
}

func (f *whole) next() (frame, bool) { return frame{}, false }
func (f *whole) pending() int        { return f.body.Size }
func (f *whole) comments() int       { return 0 }

func (f *whole) end() (frame, bool) {
	body := bytes.TrimSpace(f.body.Join(nil, nil))
	return frame{data: body}, len(body) > 0
}
