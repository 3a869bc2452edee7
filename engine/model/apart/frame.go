package apart

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// mostFrame limits the size of questions and answers.
const mostFrame = 1 << 30

// head is what comes before the texts of a frame.
type head struct {
	Value json.RawMessage `json:"value"`
	Sizes []int           `json:"sizes"` // lengths of the texts, which follow unencoded: JSON is slow
}

// frameOf encodes a value and texts: the length of the head, the head, the texts.
func frameOf(v any, texts ...string) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding for the process that renders: %w", err)
	}
	h := head{Value: value}
	size := 0
	for _, t := range texts {
		h.Sizes = append(h.Sizes, len(t))
		size += len(t)
	}
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encoding for the process that renders: %w", err)
	}
	if len(raw)+size > mostFrame {
		return nil, fmt.Errorf("%d MB are too many for a conversation", (len(raw)+size)/1e6)
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(raw)+size), uint32(len(raw)))
	out = append(out, raw...)
	for _, t := range texts {
		out = append(out, t...)
	}
	return out, nil
}

// read receives a value and its texts.
func read(r io.Reader, into any) ([]string, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	left := int64(mostFrame)
	part := func(n int64) ([]byte, error) {
		if n < 0 || n > left {
			return nil, fmt.Errorf("a part of %d bytes is too long", n)
		}
		left -= n
		raw := make([]byte, n)
		_, err := io.ReadFull(r, raw)
		return raw, err
	}
	raw, err := part(int64(binary.BigEndian.Uint32(length[:])))
	if err != nil {
		return nil, err
	}
	var h head
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, err
	}
	var texts []string
	for _, n := range h.Sizes {
		raw, err := part(int64(n))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(raw))
	}
	return texts, json.Unmarshal(h.Value, into)
}
