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

// The vocabulary in the program is that of another implementation, and counts words as it does.
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
		if rank, ok := ranks[token]; !ok || int(rank) != n {
			t.Fatalf("token %d is %q there, and has rank %d here", n, token, rank)
		}
	}
	if n < 100_000 || len(ranks) != n {
		t.Errorf("%d tokens here, %d there", len(ranks), n)
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
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint(0); ; n++ {
		token, err := codec.Decode([]uint{n})
		if err != nil {
			break
		}
		if _, err := w.Write(append([]byte{byte(len(token))}, token...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("cl100k.gz", b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
