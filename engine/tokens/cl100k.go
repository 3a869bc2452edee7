package tokens

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// cl100k counts tokens of cl100k_base. The vocabulary is embedded in compressed form and read at the first count; words
// are cached, because texts repeat them.
type cl100k struct {
	mu    sync.Mutex
	words map[string]int
}

func newCL100K() *cl100k { return &cl100k{words: map[string]int{}} }

var cl100kRanks = sync.OnceValues(readRanks)

// compressedRanks holds the tokens of cl100k_base in the order of their ranks: those of one byte, then each other one
// as the ranks of two earlier tokens that it is made of. The numbers have three bytes, and all first bytes of the left
// parts come first, then all second ones, and so on, which compresses a quarter better than the tokens themselves.
//
//go:embed cl100k.gz
var compressedRanks []byte

const (
	allTokens = 100_256
	bytesOnly = 256 // tokens of one byte
	pairs     = allTokens - bytesOnly
)

// ranks finds the ranks of tokens. A map of 100,000 texts takes longer to fill, more memory, and time of every garbage
// collection.
type ranks struct {
	all   string  // the tokens, one behind the other
	ends  []int32 // where each ends, by rank; the first of them is where the first begins
	slots []int32 // ranks plus one, at the hash of the token or the next free place
	seed  maphash.Seed
}

const slots = 1 << 18 // a power of two, of which more than half stay free

// slot is where a token is, or where it would be.
func (r *ranks) slot(token string) int {
	for i := int(maphash.String(r.seed, token) % slots); ; i = (i + 1) % slots {
		n := r.slots[i]
		if n == 0 || r.all[r.ends[n-1]:r.ends[n]] == token {
			return i
		}
	}
}

func (r *ranks) of(token string) (rank int32, ok bool) {
	n := r.slots[r.slot(token)]
	return n - 1, n > 0
}

func readRanks() (*ranks, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressedRanks))
	if err != nil {
		return nil, err
	}
	packed := make([]byte, bytesOnly+6*pairs)
	if _, err := io.ReadFull(r, packed); err != nil {
		return nil, err
	}
	part := func(plane, i int) int {
		at := func(plane int) int { return int(packed[bytesOnly+plane*pairs+i]) }
		return at(plane) | at(plane+1)<<8 | at(plane+2)<<16
	}
	text := make([]byte, bytesOnly, 700_000) // all tokens, one behind the other
	copy(text, packed)
	ends := make([]int32, bytesOnly+1, allTokens+1)
	for i := range ends {
		ends[i] = int32(i)
	}
	for i := range pairs {
		for _, rank := range []int{part(0, i), part(3, i)} {
			if rank >= bytesOnly+i {
				return nil, fmt.Errorf("token %d is made of token %d", bytesOnly+i, rank)
			}
			text = append(text, text[ends[rank]:ends[rank+1]]...)
		}
		ends = append(ends, int32(len(text)))
	}
	out := &ranks{all: string(text), ends: ends, slots: make([]int32, slots), seed: maphash.MakeSeed()}
	for i := range allTokens {
		out.slots[out.slot(out.all[ends[i]:ends[i+1]])] = int32(i + 1)
	}
	return out, nil
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

// longestPiece limits how many bytes of a word are counted at once, because counting takes 30 times as much memory as
// the text.
const longestPiece = 4 << 10

// countPieces counts the tokens of a word. Each cut in a long word may add one token to the count.
func countPieces(ranks *ranks, word string) (sum int) {
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
func countPiece(ranks *ranks, piece string) int {
	if _, ok := ranks.of(piece); ok {
		return 1
	}
	n := int32(len(piece))
	w := newWord(make([]int32, n))
	w.find = func(left int32) (merge, bool) {
		end := n
		if right := w.next[left]; w.next[right] < n {
			end = w.next[right]
		}
		rank, ok := ranks.of(piece[left:end])
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
