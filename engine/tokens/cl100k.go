package tokens

import (
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer"
)

// cl100k counts tokens of cl100k_base. The vocabulary is embedded in the program and built at the first count; words
// are cached, because texts repeat them.
type cl100k struct {
	codec func() (tokenizer.Codec, error)

	mu    sync.Mutex
	words map[string]int
}

func newCL100K() *cl100k {
	get := sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.Cl100kBase) })
	return &cl100k{codec: get, words: map[string]int{}}
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
	codec, err := c.codec()
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
			if n, err = countPieces(codec, w); err != nil {
				return classCounts{}, fmt.Errorf("splitting text into tokens: %w", err)
			}
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

// longestPiece is how much of a word is counted at once, in bytes: the codec needs 28 times the memory of what it counts.
const longestPiece = 4 << 10

// countPieces counts a word. At each cut of a longer one the count may be a token too high.
func countPieces(codec tokenizer.Codec, w string) (sum int, err error) {
	for w != "" {
		n := min(len(w), longestPiece)
		for n < len(w) && !utf8.RuneStart(w[n]) {
			n++
		}
		counted, err := codec.Count(w[:n])
		if err != nil {
			return 0, err
		}
		sum, w = sum+counted, w[n:]
	}
	return sum, nil
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
