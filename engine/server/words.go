package server

import (
	"fmt"
	"math"
	"strings"
)

// canaryWords are short and common. Every tokenizer makes at least one token of each.
var canaryWords = strings.Fields(`stone river cloud table green window paper seven market silver garden winter
	letter bridge yellow morning forest candle orange simple mirror circle pocket summer ladder copper`)

// wordsOf returns how many words make at least three blocks and one token.
func wordsOf(block int) int { return 4*block + 8 }

// canary returns a prompt of n words that is new to every server.
func canary(draw func(n uint64) uint64, n int) string {
	words := make([]string, 0, n)
	for range n {
		words = append(words, canaryWords[draw(uint64(len(canaryWords)))])
	}
	return fmt.Sprintf("%016x %s", draw(math.MaxUint64), strings.Join(words, " "))
}
