package model

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Limits of what is read of a GGUF file, whose header is at its beginning.
const (
	mostHeader = 64 << 20 // bytes
	mostKeys   = 10_000
	mostText   = 1 << 20 // bytes of a key or a text
)

var errNoGGUF = errors.New("not a GGUF file")

// SlidingWindow reads from the header of a GGUF file the sliding window of the model's layers in tokens, and the key
// of that value; 0: the file does not say, or every layer sees the whole context.
func SlidingWindow(path string) (tokens int, key string, err error) {
	// A pipe is not read, because it could block.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, "", errNoGGUF
	}
	return slidingWindow(f)
}

func slidingWindow(from io.Reader) (tokens int, key string, err error) {
	h := &header{from: bufio.NewReaderSize(io.LimitReader(from, mostHeader), 1<<16)}
	if magic := h.bytes(4); string(magic) != "GGUF" {
		return 0, "", errNoGGUF
	}
	if version := h.uint(4); h.err == nil && (version < 2 || version > 3) {
		return 0, "", fmt.Errorf("a GGUF file of version %d, of which nothing is known", version)
	}
	h.uint(8) // tensors
	arch := ""
	for n := min(h.uint(8), mostKeys); n > 0 && h.err == nil; n-- {
		key := h.text()
		kind := h.uint(4)
		switch {
		case key == "general.architecture" && kind == textKind:
			arch = h.text()
		case arch != "" && key == arch+".attention.sliding_window" && scalars[kind] > 0:
			if tokens := h.uint(scalars[kind]); h.err == nil && tokens < 1<<31 {
				return int(tokens), key, nil
			}
		default:
			h.skip(kind, 0)
		}
	}
	return 0, "", h.err
}

// The kinds of values of a GGUF header.
const (
	textKind = 8
	listKind = 9
)

// scalars are the bytes of each kind of number.
var scalars = map[uint64]int{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

// header reads one value after another, until one is missing.
type header struct {
	from *bufio.Reader
	err  error
}

func (h *header) bytes(n int) []byte {
	if h.err != nil {
		return nil
	}
	b := make([]byte, n)
	_, h.err = io.ReadFull(h.from, b)
	return b
}

// uint reads a little-endian number of a given size in bytes.
func (h *header) uint(size int) uint64 {
	b := h.bytes(size)
	if h.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(append(b, make([]byte, 8-size)...))
}

func (h *header) text() string {
	n := h.uint(8)
	if n > mostText {
		h.err = errNoGGUF
	}
	return string(h.bytes(int(min(n, mostText)))) // fits int: at most mostText
}

func (h *header) drop(n uint64) {
	if h.err == nil {
		_, h.err = io.CopyN(io.Discard, h.from, int64(min(n, mostHeader+1))) // fits int64: at most mostHeader + 1
	}
}

// skip skips a value. Nested lists are followed only as deep as real files nest them.
func (h *header) skip(kind uint64, depth int) {
	switch size := scalars[kind]; {
	case size > 0:
		h.drop(uint64(size)) // a size from the table
	case kind == textKind:
		h.drop(h.uint(8))
	case kind == listKind && depth < 3:
		of, n := h.uint(4), h.uint(8)
		if size := scalars[of]; size > 0 {
			h.drop(min(n, mostHeader) * uint64(size)) // both factors are bounded
			return
		}
		for ; n > 0 && h.err == nil; n-- {
			h.skip(of, depth+1)
		}
	default:
		h.err = errNoGGUF
	}
}
