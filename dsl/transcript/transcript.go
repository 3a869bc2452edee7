// Package transcript reads recorded chats and traces: OpenAI's message lists, ShareGPT, files of aiperf, and traces
// that have hashes of blocks instead of texts, such as Mooncake's. The input is the bytes of a file, JSON or JSON
// lines; the output is chats whose parts know their positions, and findings about parts that cannot be imported.
//
// It does not know what a chat is used for.
package transcript

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// Format is a file format for chats.
type Format string

// The formats.
const (
	OpenAI   Format = "openai"
	ShareGPT Format = "sharegpt"
	Mooncake Format = "mooncake"
	AIPerf   Format = "aiperf"
)

// Known reports whether a name is the name of a format.
func Known(name string) bool {
	return slices.Contains([]Format{OpenAI, ShareGPT, Mooncake, AIPerf}, Format(name))
}

// Chat is one recorded chat.
type Chat struct {
	Pos      syntax.Pos
	ID       string // the chat's id in the file; empty: it has none
	Messages []Message
	Tools    []wire.Tool
	Block    *Prompt // from a trace without texts; nil: the chat has messages

	Request map[string]json.RawMessage // other keys of its request, such as temperature
}

// Message is one message of a chat.
type Message struct {
	wire.Message
	Pos  syntax.Pos
	When float64 // seconds since some fixed instant; negative: unknown
	Most int     // limit on the tokens of the reply to it; 0: unknown
}

// Prompt is a prompt without text. Its length is known, and which of its blocks other prompts have too.
type Prompt struct {
	Tokens int
	Blocks []int64 // their identities, in order, as negative numbers; equal numbers mean equal texts, in all lines
	Shared bool    // the blocks have hashes, so other lines may have them too
	Size   int     // tokens in a block
	Reply  int     // tokens; 0: unknown
	When   float64 // seconds; negative: unknown
}

// File is a file with one or more chats.
type File struct {
	Format Format

	name    string
	data    []byte
	starts  []int // where lines begin
	lines   bool  // JSON lines
	entries []entry
	block   int // tokens in a block of a trace

	lastAt, lastCol int // the last position computed, because a line may be a whole chat
}

// entry is the place of one chat.
type entry struct {
	line   int // line number in JSON lines; else the number of the entry in the list, from 1
	values []*value
	format Format
}

// code is the code of findings about the content of a file.
const code = "links/given"

// Read finds the chats of a file. If a format is given, every entry must have it; otherwise the format of each is
// recognised. A damaged entry is an error only when it is read, unless it is the only one.
func Read(name string, data []byte, want Format) (*File, syntax.Diagnostics) {
	f := &File{name: name, data: data, starts: lineStarts(data)}
	if !utf8.Valid(data) {
		return nil, syntax.Diagnostics{f.finding(syntax.Error, badRune(data), 0, "save the file as UTF-8 text",
			"this is no UTF-8 text")}
	}
	var found syntax.Diagnostics
	var values []*value
	if f.lines = jsonLines(data); f.lines {
		values, found = f.readLines()
	} else {
		root, err := parse(data, 0, len(data))
		if err != nil {
			return nil, syntax.Diagnostics{f.broken(err)}
		}
		values = f.unpack(root)
	}
	if found.Errors() {
		return nil, found
	}
	if len(values) == 0 {
		return nil, syntax.Diagnostics{f.finding(syntax.Error, 0, 0, "", "there is no chat in it")}
	}
	return f, append(found, f.recognise(values, want)...)
}

// jsonLines reports whether every line is a separate value: the first line is valid JSON, and more text follows it.
func jsonLines(data []byte) bool {
	rest := bytes.TrimLeft(data, " \t\r\n")
	line, after, _ := bytes.Cut(rest, []byte("\n"))
	return json.Valid(line) && len(bytes.TrimSpace(after)) > 0
}

// readLines reads the values of JSON lines.
func (f *File) readLines() (values []*value, found syntax.Diagnostics) {
	for at := 0; at < len(f.data); {
		end := at + len(f.data[at:])
		if i := bytes.IndexByte(f.data[at:], '\n'); i >= 0 {
			end = at + i
		}
		if len(bytes.TrimSpace(f.data[at:end])) > 0 {
			v, err := parse(f.data, at, end)
			if err != nil {
				found = append(found, f.broken(err))
				if len(found) == mostFindings {
					return nil, found
				}
			}
			values = append(values, v)
		}
		at = end + 1
	}
	return values, found
}

// mostFindings limits the findings about one file.
const mostFindings = 20

// unpack returns the entries of a file that is one JSON value: those of a list of chats, or the one chat.
func (f *File) unpack(root *value) []*value {
	if sessions := root.get("data"); sessions.is(list) && root.get("messages", "conversations") == nil {
		return sessions.items
	}
	if root.is(list) && len(root.items) > 0 && !isMessage(root.items[0]) {
		return root.items
	}
	return []*value{root}
}

// isMessage reports whether a value is a message rather than a chat.
func isMessage(v *value) bool {
	return v.is(object) && v.get("messages", "conversations", "turns", "payloads") == nil &&
		(v.get("role") != nil && v.get("text_input", "text", "payload") == nil || v.get("from") != nil)
}

// recognise groups values into chats and finds the format of each.
func (f *File) recognise(values []*value, want Format) (found syntax.Diagnostics) {
	if f.lines && isMessage(values[0]) { // a log with a message in each line is one chat
		f.entries = []entry{{line: 1, values: values, format: formatOf(values[0])}}
	} else {
		for i, v := range values {
			e := entry{line: i + 1, values: []*value{v}, format: formatOf(v)}
			if f.lines {
				e.line = f.pos(v.at).Line
			}
			f.entries = append(f.entries, e)
		}
	}
	for i := range f.entries {
		e := &f.entries[i]
		v := e.values[0]
		switch {
		case e.format == "":
			found = append(found, f.finding(syntax.Error, v.at, v.end, "a chat is a list of messages, an object with messages "+
				"or conversations, or a line of a trace with input_length", "%s is no chat that is known", describe(v)))
		case want != "" && e.format != want && (want != AIPerf || e.format != OpenAI && e.format != Mooncake):
			found = append(found, f.finding(syntax.Error, v.at, v.end, "leave the format out, so that it is recognised",
				"this is %s, and not %s", e.format, want))
		}
		if len(found) == mostFindings {
			break
		}
	}
	f.Format = cmp.Or(want, f.entries[0].format)
	if !found.Errors() {
		f.block = f.blockSize()
	}
	return found
}

// formatOf returns the format of an entry; empty: it has no known format.
func formatOf(v *value) Format {
	if v.is(list) && len(v.items) > 0 {
		v = v.items[0]
		if !isMessage(v) {
			return ""
		}
	}
	if !v.is(object) {
		return ""
	}
	inner := v.get("messages", "history", "conversations", "conversation")
	if inner.is(list) && len(inner.items) > 0 {
		return cmp.Or(formatOf(inner.items[0]), OpenAI)
	}
	switch {
	case v.get("from") != nil:
		return ShareGPT
	case v.get("payloads", "payload", "turns", "text_input", "text", "texts") != nil:
		return AIPerf
	case v.get("input_length", "hash_ids") != nil:
		return Mooncake
	case v.get("role") != nil, inner != nil, v.get("body").get("messages") != nil:
		return OpenAI
	}
	return ""
}

// describe describes a value for error messages.
func describe(v *value) string {
	if !v.is(object) {
		return v.kind.String()
	}
	var keys []string
	for _, m := range v.members[:min(len(v.members), 6)] {
		keys = append(keys, fmt.Sprintf("%.40q", m.key))
	}
	return "an object with " + cmp.Or(strings.Join(keys, ", "), "nothing in it")
}

// Len returns the number of chats.
func (f *File) Len() int { return len(f.entries) }

// Line returns the number of a chat in the file: its line in JSON lines, else its entry in the list.
func (f *File) Line(i int) int { return f.entries[i].line }

// Lines reports whether the file is JSON lines.
func (f *File) Lines() bool { return f.lines }

// AtLine returns the index of the chat with a number that [File.Line] returns; -1 if there is none.
func (f *File) AtLine(line int) int {
	return slices.IndexFunc(f.entries, func(e entry) bool { return e.line == line })
}

// WithID returns the index of the chat with an id; -1 if there is none.
func (f *File) WithID(id string) int {
	return slices.IndexFunc(f.entries, func(e entry) bool { return e.id() == id })
}

// IDs returns the ids of the chats that have one.
func (f *File) IDs() []string {
	var out []string
	for _, e := range f.entries {
		if id := e.id(); id != "" {
			out = append(out, id)
		}
	}
	return out
}

// id returns the id of an entry.
func (e entry) id() string {
	return e.values[0].get("id", "session_id", "conversation_id", "chat_id", "custom_id").name()
}

// Chat reads one chat.
func (f *File) Chat(i int) (*Chat, syntax.Diagnostics) {
	e := f.entries[i]
	r := &reader{File: f, chat: &Chat{Pos: f.pos(e.values[0].at), ID: e.id()}}
	r.read(e)
	if len(r.found) > mostFindings {
		r.found = append(r.found[:mostFindings:mostFindings], f.finding(syntax.Warning, e.values[0].at, 0, "",
			"%d more findings about this chat are not listed", len(r.found)-mostFindings))
	}
	return r.chat, r.found
}

// broken returns a finding about damaged JSON.
func (f *File) broken(err error) syntax.Diagnostic {
	e, ok := errors.AsType[errAt](err)
	if !ok {
		e = errAt{0, err.Error()}
	}
	return f.finding(syntax.Error, e.at, 0, "", "%s", e.what)
}

// finding returns a finding about the text between two offsets.
func (f *File) finding(severity syntax.Severity, from, to int, help, format string, args ...any) syntax.Diagnostic {
	pos := f.pos(from)
	g := syntax.Diagnostic{Pos: pos, Severity: severity, Code: code, Message: fmt.Sprintf(format, args...), Help: help,
		Source: f.excerpt(from)}
	if end := f.pos(to); end.Line == pos.Line && end.Col > pos.Col {
		g.EndCol = end.Col
	}
	return g
}

// pos returns the position of a byte.
func (f *File) pos(at int) syntax.Pos {
	at = min(at, len(f.data))
	line := sort.SearchInts(f.starts, at+1)
	from, col := f.starts[line-1], 1
	if f.lastAt > from && f.lastAt <= at {
		from, col = f.lastAt, f.lastCol
	}
	f.lastAt, f.lastCol = at, col+utf8.RuneCount(f.data[from:at])
	return syntax.Pos{File: f.name, Line: line, Col: f.lastCol}
}

// excerpt returns the line that contains a byte.
func (f *File) excerpt(at int) string {
	start := f.starts[f.pos(at).Line-1]
	line, _, _ := bytes.Cut(f.data[start:], []byte("\n"))
	return string(line)
}

// lineStarts returns the offsets at which lines begin.
func lineStarts(data []byte) []int {
	out := []int{0}
	for i, c := range data {
		if c == '\n' {
			out = append(out, i+1)
		}
	}
	return out
}

// badRune returns the offset of the first byte that is not valid UTF-8.
func badRune(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return 0
}
