package model

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gguf is the beginning of a file of weights.
func gguf(version uint32, pairs ...any) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a buffer takes everything
	text := func(s string) { put(uint64(len(s))); b.WriteString(s) }
	b.WriteString("GGUF")
	put(version)
	put(uint64(0))
	put(uint64(len(pairs) / 2))
	for i := 0; i < len(pairs); i += 2 {
		text(pairs[i].(string))
		switch v := pairs[i+1].(type) {
		case string:
			put(uint32(8))
			text(v)
		case []string:
			put(uint32(9))
			put(uint32(8))
			put(uint64(len(v)))
			for _, s := range v {
				text(s)
			}
		case []float32:
			put(uint32(9))
			put(uint32(6))
			put(uint64(len(v)))
			put(v)
		case uint32:
			put(uint32(4))
			put(v)
		case uint64:
			put(uint32(10))
			put(v)
		case bool:
			put(uint32(7))
			put(v)
		}
	}
	return b.Bytes()
}

func TestSlidingWindow(t *testing.T) {
	gemma := []any{"general.architecture", "gemma3", "general.quantized", true,
		"tokenizer.ggml.tokens", []string{"a", "bc"},
		"tokenizer.ggml.scores", []float32{1, 2}, "gemma3.context_length", uint64(32768)}
	for name, c := range map[string]struct {
		file []byte
		want int
		err  string
	}{
		"a window":        {file: gguf(3, append(gemma, "gemma3.attention.sliding_window", uint32(512))...), want: 512},
		"in eight bytes":  {file: gguf(2, append(gemma, "gemma3.attention.sliding_window", uint64(1024))...), want: 1024},
		"none":            {file: gguf(3, gemma...)},
		"of another kind": {file: gguf(3, append(gemma, "gemma3.attention.sliding_window", "wide")...)},
		"of another":      {file: gguf(3, append(gemma, "llama.attention.sliding_window", uint32(512))...)},
		"cut off":         {file: gguf(3, gemma...)[:90], err: "EOF"},
		"no GGUF":         {file: []byte("safetensors"), err: "not a GGUF"},
		"empty":           {err: "not a GGUF"},
		"to come":         {file: gguf(9, gemma...), err: "version 9"},
		"a text of 2^60": {file: append(gguf(3)[:16], []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16}...),
			err: "not a GGUF"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := os.WriteFile(path, c.file, 0o644); err != nil {
				t.Fatal(err)
			}
			got, key, err := SlidingWindow(path)
			if got != c.want || (c.want > 0) != (key == "gemma3.attention.sliding_window") {
				t.Errorf("%d under %q, want %d", got, key, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, want …%s…", err, c.err)
			}
		})
	}
	if _, _, err := SlidingWindow(t.TempDir()); err == nil {
		t.Error("a folder is no file of weights")
	}
}

// FuzzSlidingWindow: a header of anything ends, and takes no memory that the file has not.
func FuzzSlidingWindow(f *testing.F) {
	f.Add(gguf(3, "general.architecture", "gemma3", "x", []string{"y"}, "gemma3.attention.sliding_window", uint32(512)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, _, _ := slidingWindow(bytes.NewReader(data)); n < 0 {
			t.Errorf("%d tokens", n)
		}
	})
}
