package tokens

import (
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/tiktoken-go/tokenizer"
)

var update = flag.Bool("update", false, "write cl100k.gz from the vocabulary of tiktoken-go")

// The embedded vocabulary equals that of another implementation, and counts words in the same way.
func TestCL100K_IsTheVocabulary(t *testing.T) {
	codec, err := tokenizer.Get(tokenizer.Cl100kBase)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeRanks(t, codec)
		return
	}
	ranks, err := cl100kRanks()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ {
		token, err := codec.Decode([]uint{uint(n)})
		if err != nil {
			break
		}
		if rank, ok := ranks.of(token); !ok || int(rank) != n {
			t.Fatalf("token %d is %q there, and has rank %d here", n, token, rank)
		}
	}
	if n < 100_000 || len(ranks.ends) != n+1 {
		t.Errorf("%d tokens here, %d there", len(ranks.ends)-1, n)
	}
	for _, word := range []string{"word", " antidisestablishmentarianism", "größer", "東京都", "🙂🙂", " )))))",
		"aaaaaaaaaaaaaaaaaaaaaaa",
		strings.Repeat("ab", 700), " \u00a0\u00a0", strings.Repeat("=", 100)} {
		want, err := codec.Count(word)
		if err != nil {
			t.Fatal(err)
		}
		if got := countPiece(ranks, word); got != want {
			t.Errorf("%.40q has %d tokens, want %d", word, got, want)
		}
	}
}

func writeRanks(t *testing.T, codec tokenizer.Codec) {
	t.Helper()
	var tokens []string
	ranks := map[string]int{}
	for {
		token, err := codec.Decode([]uint{uint(len(tokens))})
		if err != nil {
			break
		}
		ranks[token], tokens = len(tokens), append(tokens, token)
	}
	// The parts of a token, in each way in which it can be made of two earlier ones.
	ways := func(rank int, use func(left, right int)) {
		for cut := 1; cut < len(tokens[rank]); cut++ {
			left, ok := ranks[tokens[rank][:cut]]
			right, also := ranks[tokens[rank][cut:]]
			if ok && also && left < rank && right < rank {
				use(left, right)
			}
		}
	}
	lefts, rights := map[int]float64{}, map[int]float64{}
	for rank := range tokens {
		ways(rank, func(left, right int) { lefts[left]++; rights[right]++ })
	}
	planes := make([][]byte, 6)
	var packed []byte
	for rank, token := range tokens {
		if len(token) == 1 {
			packed = append(packed, token...)
			continue
		}
		best, with := [2]int{}, 0.0
		ways(rank, func(left, right int) { // parts that are common compress better
			if score := lefts[left] * rights[right]; score > with {
				best, with = [2]int{left, right}, score
			}
		})
		for side, part := range best {
			for i := range 3 {
				planes[3*side+i] = append(planes[3*side+i], byte(part>>(8*i)))
			}
		}
	}
	packed = append(packed, bytes.Join(planes, nil)...)
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(packed); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("cl100k.gz", b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkReadRanks(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readRanks(); err != nil {
			b.Fatal(err)
		}
	}
}
