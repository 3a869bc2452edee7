package large_test

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"homellm/engine/large"
	"homellm/engine/large/largetest"
)

// texts returns large texts with every kind of character.
func texts() map[string]string {
	out := map[string]string{}
	for name, unit := range map[string]string{
		"plain":      "word after word ",
		"escapes":    "a \"quote\", a \\ and\n\ttwo lines \x01\x7f",
		"web":        "<a href=\"x\">&amp;</a>\u2028",
		"characters": "größer als 東京 🙂 ",
		"not utf-8":  "a\xffb\xc3",
	} {
		out[name] = strings.Repeat(unit, 3*large.Least/len(unit)+1)
	}
	return out
}

type document struct {
	Before string   `json:"before"`
	Text   string   `json:"text"`
	List   []string `json:"list"`
	After  int      `json:"after"`
}

// A document that is written in pieces equals one that is written at once, and is read back the same.
func TestParts(t *testing.T) {
	for name, text := range texts() {
		want := document{"<small>", text, []string{"a", text, "", text[:large.Least-1]}, 7}
		short := want
		short.List = append([]string{}, want.List...)
		var parts large.Parts
		parts.Cut(&short.Before, &short.Text, &short.List[0], &short.List[1], &short.List[3])
		raw, err := json.Marshal(short)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 7*large.Least {
			t.Errorf("%s: %d bytes are encoded at once", name, len(raw))
		}
		var b bytes.Buffer
		if err := parts.Write(&b, raw); err != nil {
			t.Fatal(err)
		}
		var got, whole document
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		at, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(at, &whole); err != nil {
			t.Fatal(err)
		}
		if !equal(got, whole) {
			t.Errorf("%s: it is another document", name)
		}
		var found large.Found
		var read document
		small := found.Find(at)
		if err := json.Unmarshal(small, &read); err != nil {
			t.Fatal(err)
		}
		if len(small) > 7*large.Least || found.Put(&read.Text) || read.Text == whole.Text {
			t.Errorf("%s: a text without a place is not told", name)
		}
		places := []*string{&read.Before, &read.Text}
		for i := range read.List {
			places = append(places, &read.List[i])
		}
		if !found.Put(places...) || !equal(read, whole) {
			t.Errorf("%s: what is read is another document", name)
		}
	}
}

func equal(a, b document) bool {
	return a.Before == b.Before && a.Text == b.Text && strings.Join(a.List, "|") == strings.Join(b.List, "|") &&
		a.After == b.After
}

// Truncated documents are left to the caller's decoder.
func TestFind_LeavesWhatIsCutOff(t *testing.T) {
	open := []byte(`{"a":"` + strings.Repeat("x", 2*large.Least))
	var found large.Found
	if got := found.Find(open); !bytes.Equal(got, open) {
		t.Errorf("%d bytes of %d are left", len(got), len(open))
	}
}

// A pile keeps what is added and joins it, whatever the sizes.
func TestPile(t *testing.T) {
	var p large.Pile
	var want []byte
	piece := bytes.Repeat([]byte("0123456789"), 1000)
	for i := range 200 {
		some := bytes.Clone(piece[:i*i%len(piece)])
		kept := p.Add(some)
		want = append(want, some...)
		clear(some)
		p.Refer(kept[:len(kept)/2])
		want = append(want, kept[:len(kept)/2]...)
	}
	if p.Size != len(want) || !bytes.Equal(p.Join([]byte("a"), []byte("b")), []byte("a"+string(want)+"b")) {
		t.Error("the pile is not what was put on it")
	}
	if p.Size != 0 || string(p.Join([]byte("a"), nil)) != "a" {
		t.Error("the pile is not empty")
	}
}

// Writing a text takes the memory of one piece, and reading it makes no copy.
func TestTexts_AreNotCopied(t *testing.T) {
	const size = 8 << 20
	text := strings.Repeat("a \"quote\" and a line\n", size/21)
	raw, err := json.Marshal(document{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() bool{
		"written": func() bool {
			short := document{Text: text}
			var parts large.Parts
			parts.Cut(&short.Text)
			small, err := json.Marshal(short)
			var n discard
			return err == nil && parts.Write(&n, small) == nil && int(n) >= len(raw)
		},
		"read": func() bool {
			var found large.Found
			var read document
			err := json.Unmarshal(found.Find(raw), &read)
			return err == nil && found.Put(&read.Text) && read.Text == text && utf8.ValidString(read.Text)
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if !do() {
			t.Errorf("%s: it failed", name)
		}
		runtime.ReadMemStats(&after)
		largetest.AtMost(t, name, after.TotalAlloc-before.TotalAlloc, size/8)
	}
}

type discard int

func (d *discard) Write(p []byte) (int, error) {
	*d += discard(len(p))
	return len(p), nil
}
