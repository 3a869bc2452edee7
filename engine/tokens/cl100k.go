package tokens

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// cl100k counts tokens of cl100k_base. The vocabulary is in the program, compressed, and is read at the first count;
// words are cached, because texts repeat them.
type cl100k struct {
	mu    sync.Mutex
	words map[string]int
}

func newCL100K() *cl100k { return &cl100k{words: map[string]int{}} }

var cl100kRanks = sync.OnceValues(readRanks)

// compressedRanks are the tokens of cl100k_base by rank, each behind its length in one byte.
//
//go:embed cl100k.gz
var compressedRanks []byte

func readRanks() (map[string]int32, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressedRanks))
	if err != nil {
		return nil, err
	}
	var all strings.Builder
	if _, err := io.Copy(&all, r); err != nil {
		return nil, err
	}
	const tokens = 100_256
	ranks := make(map[string]int32, tokens)
	for rest := all.String(); rest != ""; {
		n := 1 + int(rest[0])
		if n > len(rest) {
			return nil, io.ErrUnexpectedEOF
		}
		ranks[rest[1:n]] = int32(len(ranks))
		rest = rest[n:]
	}
	return ranks, nil
}

// The cache of words is cleared when it is full. A longer piece is not cached.
const (
	mostWords   = 1 << 16
	longestWord = 48
)

// classCounts are counts of cl100k tokens in classes of text that other vocabularies treat differently: they handle
// words and blanks about as well, cut punctuation more finely, and differ in digits and in text that is not ASCII.
type classCounts struct{ words, marks, digits, foreign int }

func (c *cl100k) count(text string) (sum classCounts, err error) {
	ranks, err := cl100kRanks()
	if err != nil {
		return classCounts{}, fmt.Errorf("loading the cl100k vocabulary: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for text != "" {
		w := text[:firstWord(text)]
		text = text[len(w):]
		n, ok := c.words[w]
		if !ok {
			n = countPieces(ranks, w)
			if len(c.words) >= mostWords {
				clear(c.words)
			}
			if len(w) <= longestWord {
				c.words[strings.Clone(w)] = n
			}
		}
		*sum.of(w) += n
	}
	return sum, nil
}

// longestPiece is how much of a word is counted at once, in bytes: counting takes 30 times the memory of what is
// counted.
const longestPiece = 4 << 10

// countPieces counts a word. At each cut of a longer one the count may be a token too high.
func countPieces(ranks map[string]int32, word string) (sum int) {
	for word != "" {
		n := min(len(word), longestPiece)
		for n < len(word) && !utf8.RuneStart(word[n]) {
			n++
		}
		sum += countPiece(ranks, word[:n])
		word = word[n:]
	}
	return sum
}

// countPiece counts the tokens of a piece, which are joined from its bytes in the order of their ranks.
func countPiece(ranks map[string]int32, piece string) int {
	if _, ok := ranks[piece]; ok {
		return 1
	}
	n := int32(len(piece))
	w := newWord(make([]int32, n))
	w.find = func(left int32) (merge, bool) {
		end := n
		if right := w.next[left]; w.next[right] < n {
			end = w.next[right]
		}
		rank, ok := ranks[piece[left:end]]
		return merge{rank, rank}, ok
	}
	return len(w.join())
}

// of counts one piece.
func (k *classCounts) of(w string) *int {
	for i := range len(w) {
		if w[i] >= utf8.RuneSelf {
			return &k.foreign
		}
	}
	first, last := rune(w[0]), rune(w[len(w)-1])
	switch {
	case unicode.IsNumber(first):
		return &k.digits
	case unicode.IsSpace(first) && unicode.IsSpace(last):
		return &k.words
	case unicode.IsLetter(last) && (first == ' ' || unicode.IsLetter(first)):
		return &k.words
	default:
		return &k.marks
	}
}
