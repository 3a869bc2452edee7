// Package large stores, reads and writes texts of megabytes with few copies. Growing texts are kept in blocks, texts
// are written as JSON piece by piece, and texts that are read from JSON stay in the memory of the document.
//
// The input is bytes, values and their large texts; the output is bytes and texts. It does not know what they mean.
package large

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Piece writes a part of a JSON document.
type Piece func(io.Writer) error

// Parts holds the large parts of a value, which are taken out before the value is encoded. The zero value is empty.
type Parts struct{ pieces []Piece }

// begin and end enclose the number of a part, in its place. They are random, so that no text can contain them.
var (
	begin = "~" + rand.Text() + ":"
	end   = "~"
)

// Put adds a part and returns the placeholder for it in the value.
func (p *Parts) Put(piece Piece) (mark string) {
	p.pieces = append(p.pieces, piece)
	return markOf(len(p.pieces) - 1)
}

func markOf(i int) string { return begin + strconv.Itoa(i) + end }

// Cut replaces the large ones of some texts by placeholders.
func (p *Parts) Cut(texts ...*string) {
	for _, t := range texts {
		if s := *t; len(s) >= Least {
			*t = p.Put(func(w io.Writer) error { return Text(w, s) })
		}
	}
}

// Write writes the JSON of a value with the parts in place of their placeholders.
func (p *Parts) Write(w io.Writer, encoded []byte) error {
	for _, piece := range append(p.pieces, nil) {
		before, after, found := bytes.Cut(encoded, []byte(`"`+begin))
		if _, err := w.Write(before); err != nil || !found {
			return err
		}
		digits, rest, _ := bytes.Cut(after, []byte(end+`"`))
		i, err := strconv.Atoi(string(digits))
		if err != nil || i >= len(p.pieces) || piece == nil {
			return fmt.Errorf("a part of the JSON is named twice: %q", digits)
		}
		if err := p.pieces[i](w); err != nil {
			return err
		}
		encoded = rest
	}
	return nil
}

// pieceBytes is how many bytes of a text are encoded at a time.
const pieceBytes = 32 << 10

// Text writes a text as a JSON string, without the escapes for HTML.
func Text(w io.Writer, s string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if _, err := io.WriteString(w, `"`); err != nil {
		return err
	}
	for s != "" {
		n := min(len(s), pieceBytes)
		for back := 0; n < len(s) && back < utf8.UTFMax && !utf8.RuneStart(s[n]); back++ {
			n--
		}
		b.Reset()
		if err := e.Encode(s[:n]); err != nil {
			return err
		}
		if _, err := w.Write(b.Bytes()[1 : b.Len()-len("\"\n")]); err != nil {
			return err
		}
		s = s[n:]
	}
	_, err := io.WriteString(w, `"`)
	return err
}

// Found holds the large texts of a JSON document.
type Found struct{ texts [][]byte }

// Find returns a JSON document with a placeholder for each large string; the document itself if it has none.
func (f *Found) Find(document []byte) []byte {
	var out []byte
	at := 0 // document[:at] is in out
	for i := 0; i < len(document); i++ {
		if document[i] != '"' {
			continue
		}
		from := i + 1
		for i = from; i < len(document) && document[i] != '"'; i++ {
			if document[i] == '\\' {
				i++
			}
		}
		if i-from >= Least && i < len(document) {
			out = append(append(append(out, document[at:from]...), markOf(len(f.texts))...), '"')
			f.texts = append(f.texts, document[from:i])
			at = i + 1
		}
	}
	if at == 0 {
		return document
	}
	return append(out, document[at:]...)
}

// Put puts the large texts back into a value. They reuse the memory of the document, which must not be used afterwards.
// It returns false, and changes nothing, if a placeholder is missing in the value.
func (f *Found) Put(into ...*string) bool {
	places := map[string]*string{}
	for _, t := range into {
		places[*t] = t
	}
	for i := range f.texts {
		if places[markOf(i)] == nil {
			return false
		}
	}
	for i, raw := range f.texts {
		*places[markOf(i)] = Own(Unescape(inPlace(raw), raw))
	}
	return true
}

// inPlace returns memory in which to unescape a string: its own if the result cannot be longer.
func inPlace(raw []byte) []byte {
	if utf8.Valid(raw) {
		return raw[:0:len(raw)]
	}
	return make([]byte, 0, len(raw))
}

// Own makes a string from bytes that must not change afterwards. A large text is not copied.
func Own(b []byte) string {
	if len(b) < Least {
		return string(b)
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// View returns a text as bytes, which must not be changed.
func View(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
