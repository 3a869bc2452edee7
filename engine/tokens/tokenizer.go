package tokens

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Tokenizer is a model's tokenizer, read from the tokenizer.json in its repository. It supports byte-pair encoding in
// its two forms: over bytes (Llama 3, Qwen, SmolLM, DeepSeek's distills) and in the style of SentencePiece (Mistral,
// Phi-3, Gemma). Any other file is rejected, because an exact count must not be approximate.
type Tokenizer struct {
	vocab        map[string]int32
	merges       map[[2]int32]merge
	pipeline     []stage // normalizer and pre-tokenizer, in order
	bytewise     bool    // symbols are bytes, each spelt as a printable character
	byteFallback bool    // characters outside the vocabulary become bytes
	wholeFirst   bool    // a piece that is in the vocabulary is not split (ignore_merges)
	unknown      int32   // id of the unknown token; -1: there is none
	fuseUnknown  bool    // a run of unknown tokens is one token

	added   map[string]addedToken
	firsts  string         // the characters they begin with
	lengths map[rune][]int // in bytes, of those that begin with a character, longest first

	mu    sync.Mutex
	words map[string][]int32 // short pieces, cached
}

type merge struct{ rank, id int32 }

type addedToken struct {
	ID      int32  `json:"id"`
	Content string `json:"content"`
	Left    bool   `json:"lstrip"` // includes the white space before it
	Right   bool   `json:"rstrip"` // includes the white space after it
	Single  bool   `json:"single_word"`
	Rewrite bool   `json:"normalized"` // is searched for in the normalised text
}

// fileBytes limits the size of a tokenizer.json; Gemma 3's has 33 MB.
const fileBytes = 256 << 20

// Load reads a tokenizer.json.
func Load(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer: %w", err)
	}
	if info.Size() > fileBytes {
		return nil, fmt.Errorf("reading the tokenizer: %s is larger than %d MiB", path, fileBytes>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the tokenizer: %w", err)
	}
	t, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// tokenizerFile is the part of a tokenizer.json that is read.
type tokenizerFile struct {
	Added        []addedToken    `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
	Model        bpeModel        `json:"model"`
}

type bpeModel struct {
	Type         string           `json:"type"`
	Vocab        map[string]int32 `json:"vocab"`
	Merges       mergeList        `json:"merges"`
	Unknown      string           `json:"unk_token"`
	FuseUnknown  bool             `json:"fuse_unk"`
	ByteFallback bool             `json:"byte_fallback"`
	IgnoreMerges bool             `json:"ignore_merges"`
	Dropout      float64          `json:"dropout"`
	Prefix       string           `json:"continuing_subword_prefix"`
	Suffix       string           `json:"end_of_word_suffix"`
}

// check rejects what is not supported.
func (m *bpeModel) check() error {
	switch {
	case m.Type != "BPE":
		return fmt.Errorf("the tokenizer's model is %q; only BPE is known", m.Type)
	case m.Dropout > 0:
		return errors.New("the tokenizer drops merges at random")
	case m.Prefix != "" || m.Suffix != "":
		return errors.New("the tokenizer marks parts of words, which is not supported")
	case len(m.Vocab) == 0:
		return errors.New("the tokenizer has no vocabulary")
	}
	return nil
}

// ranked are the ranks of the merges, by pair. The first of two merges of a pair counts.
func (m *bpeModel) ranked() (map[[2]int32]merge, error) {
	out := make(map[[2]int32]merge, len(m.Merges))
	for rank, p := range m.Merges {
		left, okL := m.Vocab[p[0]]
		right, okR := m.Vocab[p[1]]
		both, ok := m.Vocab[p[0]+p[1]]
		if !okL || !okR || !ok {
			return nil, fmt.Errorf("the tokenizer merges %q and %q, which its vocabulary does not have", p[0], p[1])
		}
		if _, twice := out[[2]int32{left, right}]; !twice {
			out[[2]int32{left, right}] = merge{rank: int32(rank), id: both}
		}
	}
	return out, nil
}

// Parse reads the text of a tokenizer.json.
func Parse(data []byte) (*Tokenizer, error) {
	var file tokenizerFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("parsing the tokenizer: %w", err)
	}
	m := &file.Model
	if err := m.check(); err != nil {
		return nil, err
	}
	merges, err := m.ranked()
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{
		vocab: m.Vocab, merges: merges, unknown: -1, words: map[string][]int32{},
		byteFallback: m.ByteFallback, wholeFirst: m.IgnoreMerges, fuseUnknown: m.FuseUnknown,
	}
	if id, ok := m.Vocab[m.Unknown]; ok && m.Unknown != "" {
		t.unknown = id
	}
	if err := t.readPipeline(file); err != nil {
		return nil, err
	}
	return t, t.indexAdded(file.Added)
}

// readPipeline reads the steps that cut a text into pieces before they are encoded.
func (t *Tokenizer) readPipeline(file tokenizerFile) error {
	if err := t.readStages(file.Normalizer); err != nil {
		return err
	}
	for _, a := range file.Added {
		if a.Rewrite && t.rewrites(a.Content) {
			return fmt.Errorf("the token %q is found only after the text is normalised, which is not supported", a.Content)
		}
	}
	if err := t.readStages(file.PreTokenizer); err != nil {
		return err
	}
	if !t.bytewise {
		t.pipeline = append(t.pipeline, splitWords(t.beforeMarks()))
	}
	return nil
}

// rewrites says whether the normalizer, the only part read so far, changes a text.
func (t *Tokenizer) rewrites(text string) bool {
	for _, s := range t.pipeline {
		if out, err := s(text, true); err != nil || len(out) != 1 || out[0] != text {
			return true
		}
	}
	return false
}

// mergeList is the merges of a file, by rank: each "a b", or ["a", "b"] in newer files.
type mergeList [][2]string

// UnmarshalJSON accepts both forms.
func (m *mergeList) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, (*[][2]string)(m)) == nil {
		return nil
	}
	var lines []string
	if err := json.Unmarshal(data, &lines); err != nil {
		return fmt.Errorf("reading the merges: %w", err)
	}
	*m = make(mergeList, len(lines))
	for i, s := range lines {
		left, right, ok := strings.Cut(s, " ")
		if !ok {
			return fmt.Errorf("the merge %q is not a pair", s)
		}
		(*m)[i] = [2]string{left, right}
	}
	return nil
}

// Counter returns an exact counter. It counts special tokens in a text as such.
func (t *Tokenizer) Counter() *Counter {
	c := newCounter(func(text string) (counted, error) {
		ids, err := t.Encode(text)
		return counted{tokens: float64(len(ids))}, err
	}, Confidence{Exact: true, Source: "tokenizer.json"})
	c.special = true
	return c
}

// Encode returns the tokens of a text, and adds none, because a prompt contains its BOS.
func (t *Tokenizer) Encode(text string) ([]int32, error) {
	ids := make([]int32, 0, len(text)/3+8)
	rest, at := text, 0
	for rest != "" {
		before, token, after := t.nextAdded(rest)
		if before != "" {
			var err error
			if ids, err = t.encodeText(ids, before, at == 0); err != nil {
				return nil, err
			}
		}
		if token != nil {
			ids = append(ids, token.ID)
		}
		at += len(rest) - len(after)
		rest = after
	}
	return ids, nil
}

// nextAdded cuts a text at its first added token.
func (t *Tokenizer) nextAdded(s string) (before string, token *addedToken, after string) {
	for at := 0; at < len(s); at++ {
		skip := strings.IndexAny(s[at:], t.firsts)
		if skip < 0 {
			break
		}
		at += skip
		first, _ := decode(s[at:])
		for _, n := range t.lengths[first] {
			if at+n > len(s) {
				continue
			}
			a, ok := t.added[s[at:at+n]]
			if !ok {
				continue
			}
			before, after = s[:at], s[at+n:]
			if a.Left {
				before = strings.TrimRightFunc(before, unicode.IsSpace)
			}
			if a.Right {
				after = strings.TrimLeftFunc(after, unicode.IsSpace)
			}
			return before, &a, after
		}
	}
	return s, nil, ""
}

func (t *Tokenizer) encodeText(ids []int32, text string, first bool) ([]int32, error) {
	pieces := []string{text}
	for _, s := range t.pipeline {
		var next []string
		for i, p := range pieces {
			out, err := s(p, first && i == 0)
			if err != nil {
				return nil, fmt.Errorf("splitting text into pieces: %w", err)
			}
			next = append(next, out...)
		}
		pieces = next
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range pieces {
		ids = t.piece(ids, p)
	}
	return ids, nil
}

// Words are repeated; long pieces are not.
const (
	wordBytes = 48
	wordLimit = 1 << 16
)

func (t *Tokenizer) piece(ids []int32, p string) []int32 {
	if p == "" {
		return ids
	}
	if len(p) > wordBytes {
		return append(ids, t.encode(p)...)
	}
	known, ok := t.words[p]
	if !ok {
		known = slices.Clip(t.encode(p))
		if len(t.words) >= wordLimit {
			clear(t.words)
		}
		t.words[strings.Clone(p)] = known
	}
	return append(ids, known...)
}

// wordMark is the space in vocabularies of the SentencePiece style.
const wordMark rune = 0x2581 // ▁

// beforeMarks collects the characters that precede a space in some token. Before any other space a text can be split
// without changing its tokens, into short pieces that are likely to be cached.
func (t *Tokenizer) beforeMarks() map[rune]bool {
	out := map[rune]bool{}
	for token := range t.vocab {
		before := wordMark
		for _, r := range token {
			if r == wordMark && before != wordMark {
				out[before] = true
			}
			before = r
		}
	}
	return out
}

// splitWords splits a text before a space that follows none of those characters.
func splitWords(not map[rune]bool) stage {
	return func(text string, _ bool) ([]string, error) {
		out := make([]string, 0, len(text)/5+1)
		start, before := 0, wordMark
		for i, r := range text {
			if r == wordMark && before != wordMark && !not[before] {
				out = append(out, text[start:i])
				start = i
			}
			before = r
		}
		return append(out, text[start:]), nil
	}
}
