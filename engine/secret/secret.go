// Package secret removes the secrets that this process knows from everything that leaves it.
//
// The input is secrets, as soon as they are read, and texts or streams; the output is the same without them. It reads
// no environment and no file, and imports no other package of homellm.
package secret

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Least is the length of the shortest secret. A shorter one occurs in ordinary words and numbers and cannot be masked.
const Least = 8

// mask replaces a secret in messages.
const mask = "[key]"

var (
	adding sync.Mutex
	known  atomic.Pointer[forms] // nil: there are none
)

// forms are the secrets as they may occur in a text, longest first.
type forms struct {
	all   []string
	first [256]bool // the first bytes of secrets
}

// Add registers a secret. It returns an error for one that is too short to be masked.
func Add(s string) error {
	if s == "" {
		return nil
	}
	if len(s) < Least {
		return fmt.Errorf("a key of %d characters is too short to be masked in outputs; take one of at least %d", len(s),
			Least)
	}
	adding.Lock()
	defer adding.Unlock()
	f := &forms{}
	if old := known.Load(); old != nil {
		f.all = slices.Clone(old.all)
	}
	quoted, _ := json.Marshal(s) // a string always has a JSON form
	var plain strings.Builder
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // as above
	f.all = append(f.all, s, inner(string(quoted)), inner(strings.TrimSpace(plain.String())), url.QueryEscape(s),
		url.PathEscape(s), html.EscapeString(s))
	slices.SortFunc(f.all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	f.all = slices.Compact(f.all)
	for _, form := range f.all {
		f.first[form[0]] = true
	}
	known.Store(f)
	return nil
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// Text is a text without secrets.
func Text(s string) string {
	f := known.Load()
	if f == nil || !f.in(s) {
		return s
	}
	out, _ := f.replace([]byte(s), true, asMask)
	return string(out)
}

// Stars is a text in which every character of a secret is a star, so that positions in it do not change. A text
// without a secret is returned unchanged.
func Stars(b []byte) []byte {
	f := known.Load()
	if f == nil || !slices.ContainsFunc(f.all, func(form string) bool { return bytes.Contains(b, []byte(form)) }) {
		return b
	}
	out, _ := f.replace(b, true, asStars)
	return out
}

// Any reports whether a secret is known.
func Any() bool { return known.Load() != nil }

func (f *forms) in(s string) bool {
	return slices.ContainsFunc(f.all, func(form string) bool { return strings.Contains(s, form) })
}

func asMask(string) string { return mask }

func asStars(s string) string { return strings.Repeat("*", len(s)) }

// replace masks secrets. A possible beginning of a secret at the end is held back, unless this is the end of the
// text.
func (f *forms) replace(b []byte, end bool, by func(string) string) (out, held []byte) {
	out = make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if !f.first[b[i]] {
			out = append(out, b[i])
			i++
			continue
		}
		rest, found := string(b[i:min(len(b), i+len(f.all[0]))]), ""
		for _, form := range f.all {
			if !end && len(rest) < len(form) && strings.HasPrefix(form, rest) {
				return out, b[i:]
			}
			if strings.HasPrefix(rest, form) {
				found = form
				break
			}
		}
		if found == "" {
			out = append(out, b[i])
			i++
			continue
		}
		out = append(out, by(found)...)
		i += len(found)
	}
	return out, nil
}

// Writer masks secrets in what is written, even if a secret comes in several pieces.
type Writer struct {
	w    io.Writer
	by   func(string) string
	held []byte // may be the beginning of a secret
}

// NewWriter masks what goes to w. Close writes what is held back; it does not close w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, by: asMask} }

// NewStarWriter returns a writer that writes a star for every character of a secret.
func NewStarWriter(w io.Writer) *Writer { return &Writer{w: w, by: asStars} }

// Write implements io.Writer.
func (m *Writer) Write(b []byte) (int, error) {
	f := known.Load()
	if f == nil {
		return m.w.Write(b)
	}
	out, held := f.replace(append(m.held, b...), false, m.by)
	m.held = slices.Clone(held)
	if len(out) == 0 {
		return len(b), nil
	}
	if _, err := m.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close implements io.Closer.
func (m *Writer) Close() error {
	if len(m.held) == 0 {
		return nil
	}
	out := m.held
	m.held = nil
	if f := known.Load(); f != nil {
		out, _ = f.replace(out, true, m.by)
	}
	_, err := m.w.Write(out)
	return err
}
