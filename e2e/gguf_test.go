//go:build e2e

package e2e

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
)

// The shape of the tiny model: a Llama of four layers. It computes what a real one computes and
// answers nonsense, which is enough for everything but the meaning of an answer.
const (
	tinyWidth   = 256
	tinyLayers  = 4
	tinyHeads   = 4
	tinyKVHeads = 2
	tinyInner   = 512
	tinyContext = 16384
)

// The kinds of values in a GGUF file's metadata, and of its tokens.
const (
	ggufUint32, ggufFloat32, ggufString, ggufArray, ggufInt32 = 4, 6, 8, 9, 5

	tokenNormal, tokenUnknown, tokenControl, tokenByte = 1, 2, 3, 6
)

// writeTinyGGUF writes the model as a GGUF file of version 3. The weights depend on the seed
// alone.
func writeTinyGGUF(path string, seed uint64) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the tiny model: %w", err)
	}
	w := &ggufWriter{out: bufio.NewWriterSize(file, 1<<20)}
	w.model(seed)
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if err := file.Close(); w.err == nil {
		w.err = err
	}
	if w.err != nil {
		return fmt.Errorf("writing the tiny model: %w", w.err)
	}
	return nil
}

// ggufWriter keeps the first error, and the offset for alignment.
type ggufWriter struct {
	out *bufio.Writer
	at  int64
	err error
}

func (w *ggufWriter) put(v any) {
	if w.err == nil {
		w.err = binary.Write(w.out, binary.LittleEndian, v)
		w.at += int64(binary.Size(v))
	}
}

func (w *ggufWriter) text(s string) {
	w.put(uint64(len(s)))
	if w.err == nil {
		_, w.err = io.WriteString(w.out, s)
		w.at += int64(len(s))
	}
}

// align pads to the alignment that GGUF has unless it says otherwise.
func (w *ggufWriter) align() {
	for w.at%ggufAlign != 0 {
		w.put(uint8(0))
	}
}

const ggufAlign = 32

// pair is one entry of the metadata.
func (w *ggufWriter) pair(key string, value any) {
	w.text(key)
	switch v := value.(type) {
	case uint32:
		w.put(uint32(ggufUint32))
		w.put(v)
	case float32:
		w.put(uint32(ggufFloat32))
		w.put(v)
	case string:
		w.put(uint32(ggufString))
		w.text(v)
	case []string:
		w.array(ggufString, len(v))
		for _, s := range v {
			w.text(s)
		}
	case []float32:
		w.array(ggufFloat32, len(v))
		w.put(v)
	case []int32:
		w.array(ggufInt32, len(v))
		w.put(v)
	default:
		w.err = fmt.Errorf("metadata %s has the type %T", key, value)
	}
}

func (w *ggufWriter) array(kind uint32, n int) {
	w.put(uint32(ggufArray))
	w.put(kind)
	w.put(uint64(n))
}

// tensor is one array of weights; its first dimension is the one that lies together in memory.
type tensor struct {
	name string
	dims []uint64
}

func (t tensor) count() int {
	n := 1
	for _, d := range t.dims {
		n *= int(d)
	}
	return n
}

func (w *ggufWriter) model(seed uint64) {
	tokens, kinds := tinyVocabulary()
	scores := make([]float32, len(tokens))
	for i := range scores {
		scores[i] = -float32(i) // earlier pieces are merged first
	}
	meta := []struct {
		key   string
		value any
	}{
		{"general.architecture", "llama"},
		{"general.name", "tiny"},
		{"llama.context_length", uint32(tinyContext)},
		{"llama.embedding_length", uint32(tinyWidth)},
		{"llama.block_count", uint32(tinyLayers)},
		{"llama.feed_forward_length", uint32(tinyInner)},
		{"llama.attention.head_count", uint32(tinyHeads)},
		{"llama.attention.head_count_kv", uint32(tinyKVHeads)},
		{"llama.rope.dimension_count", uint32(tinyWidth / tinyHeads)},
		{"llama.vocab_size", uint32(len(tokens))},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-5)},
		{"llama.rope.freq_base", float32(10000)},
		{"general.file_type", uint32(0)}, // 32-bit floats throughout
		{"tokenizer.ggml.model", "llama"},
		{"tokenizer.ggml.tokens", tokens},
		{"tokenizer.ggml.scores", scores},
		{"tokenizer.ggml.token_type", kinds},
		{"tokenizer.ggml.bos_token_id", uint32(1)},
		{"tokenizer.ggml.eos_token_id", uint32(2)},
		{"tokenizer.ggml.unknown_token_id", uint32(0)},
	}
	tensors := tinyTensors(uint64(len(tokens)))
	w.put([]byte("GGUF"))
	w.put(uint32(3))
	w.put(uint64(len(tensors)))
	w.put(uint64(len(meta)))
	for _, m := range meta {
		w.pair(m.key, m.value)
	}
	offset := uint64(0)
	for _, t := range tensors {
		w.text(t.name)
		w.put(uint32(len(t.dims)))
		w.put(t.dims)
		w.put(uint32(0)) // 32-bit floats
		w.put(offset)
		offset = (offset + uint64(4*t.count()) + ggufAlign - 1) / ggufAlign * ggufAlign
	}
	w.align()
	random := rand.New(rand.NewPCG(seed, 0))
	for _, t := range tensors {
		weights := make([]float32, t.count())
		for i := range weights {
			if strings.Contains(t.name, "norm") {
				weights[i] = 1
				continue
			}
			weights[i] = float32(0.08 * random.NormFloat64()) // small enough for the softmax not to saturate
		}
		if t.name == "output.weight" {
			// A row of zeros loses against the best of hundreds: bytes that make no character, and the end of
			// the text, are never written, and every reply has text.
			for i, kind := range kinds {
				if kind != tokenNormal {
					clear(weights[i*tinyWidth : (i+1)*tinyWidth])
				}
			}
		}
		w.put(weights)
		w.align()
	}
}

func tinyTensors(vocabulary uint64) []tensor {
	const kv = tinyWidth / tinyHeads * tinyKVHeads
	all := []tensor{{"token_embd.weight", []uint64{tinyWidth, vocabulary}}}
	for layer := range tinyLayers {
		for _, t := range []tensor{
			{"attn_norm", []uint64{tinyWidth}},
			{"attn_q", []uint64{tinyWidth, tinyWidth}},
			{"attn_k", []uint64{tinyWidth, kv}},
			{"attn_v", []uint64{tinyWidth, kv}},
			{"attn_output", []uint64{tinyWidth, tinyWidth}},
			{"ffn_norm", []uint64{tinyWidth}},
			{"ffn_gate", []uint64{tinyWidth, tinyInner}},
			{"ffn_up", []uint64{tinyWidth, tinyInner}},
			{"ffn_down", []uint64{tinyInner, tinyWidth}},
		} {
			all = append(all, tensor{fmt.Sprintf("blk.%d.%s.weight", layer, t.name), t.dims})
		}
	}
	return append(all, tensor{"output_norm.weight", []uint64{tinyWidth}},
		tensor{"output.weight", []uint64{tinyWidth, vocabulary}})
}

// tinyVocabulary has every byte, so that any text can be written in it, every printable character,
// every pair of lower-case letters, and some words.
func tinyVocabulary() (tokens []string, kinds []int32) {
	seen := map[string]bool{}
	add := func(token string, kind int32) {
		if !seen[token] {
			seen[token] = true
			tokens, kinds = append(tokens, token), append(kinds, kind)
		}
	}
	add("<unk>", tokenUnknown)
	add("<s>", tokenControl)
	add("</s>", tokenControl)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), tokenByte)
	}
	const space = "\u2581" // how this kind of vocabulary writes a blank
	for word := range strings.FieldsSeq("the of and to in is was for on with as by at from it are this be an or that " +
		"which page index block cache model token server query answer") {
		add(space+word, tokenNormal)
	}
	add(space, tokenNormal)
	for c := '!'; c <= '~'; c++ {
		add(string(c), tokenNormal)
	}
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			add(string(a)+string(b), tokenNormal)
		}
	}
	return tokens, kinds
}
