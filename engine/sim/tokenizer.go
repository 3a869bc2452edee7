package sim

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Token is one token of the simulator's vocabulary. The number holds the text itself, so that no
// dictionary is needed and no two texts share a number:
//
//	bit 51      a space comes first
//	bits 48-50  how many bytes follow, 1 to 6; 0 marks a special token
//	bits 0-47   the bytes, the first one highest; for a special token its place in the table
//
// Every token is below 2^53, so that JSON readers which use floating point keep it exact.
type Token int64

const (
	pieceBytes = 6 // together with the leading space: words of up to six letters are one token
	lengthBit  = 48
	spaceFlag  = Token(1) << 51
)

// endOfText is the token that ends a reply.
const endOfText = Token(0)

// specials are the texts that are one token each, whatever surrounds them. They cover the common chat templates, so
// that the turns of a prompt rendered by the client stay separate. The order is part of the vocabulary: append only.
var specials = []string{
	"<|endoftext|>", "<|im_start|>", "<|im_end|>",
	"<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
	"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
	"<start_of_turn>", "<end_of_turn>", "<bos>", "<s>", "</s>", "[INST]", "[/INST]",
	"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
	"<think>", "</think>",
}

// class is a kind of character that the tokeniser distinguishes.
type class uint8

const (
	letter class = iota
	digit
	space
	other
)

// classes holds the class of every ASCII byte; the rest is decided by rune.
var classes = func() (t [utf8.RuneSelf]class) {
	for b := range t {
		t[b] = runeClass(rune(b))
	}
	return t
}()

func runeClass(r rune) class {
	switch {
	case unicode.IsLetter(r), unicode.IsMark(r):
		return letter
	case unicode.IsDigit(r):
		return digit
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classAt returns the class of the character that begins at s[i], and its length in bytes.
func classAt(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return classes[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	if r == utf8.RuneError && n == 1 {
		return other, 1 // not UTF-8: the byte stands for itself
	}
	return runeClass(r), n
}

// specialAt returns the special token at s[i:] and its length, or a length of 0.
func specialAt(s string, i int) (Token, int) {
	if s[i] != '<' && s[i] != '[' {
		return 0, 0
	}
	for k, text := range specials {
		if strings.HasPrefix(s[i:], text) {
			return Token(k), len(text)
		}
	}
	return 0, 0
}

// tokenize cuts text into tokens: special tokens, words with the space before them, digits one by one,
// runs of punctuation, runs of white space; each in pieces of at most six bytes. English prose comes
// to about 1.3 tokens a word. The cut depends only on what follows a token's beginning, so that
// the tokens of a text begin with the tokens of any part of it that ends between two tokens.
func tokenize(text string) []Token {
	return appendTokens(make([]Token, 0, len(text)/4+8), text)
}

func appendTokens(out []Token, s string) []Token {
	for i := 0; i < len(s); {
		if t, n := specialAt(s, i); n > 0 {
			out = append(out, t)
			i += n
			continue
		}
		c, n := classAt(s, i)
		flag := Token(0)
		if c == space {
			end := spaceEnd(s, i)
			if end > i {
				out = appendPieces(out, s[i:end], 0)
				i = end
				continue
			}
			// One space before a word or a sign belongs to it.
			flag = spaceFlag
			i++
			c, n = classAt(s, i)
		}
		if c == digit {
			out = append(out, pack(s[i:i+n], 0))
			i += n
			continue
		}
		end := runEnd(s, i+n, c)
		out = appendPieces(out, s[i:end], flag)
		i = end
	}
	return out
}

// spaceEnd returns where the white space that begins at s[i] ends as a separate token: the last
// space is left to the word after it. The result is i if nothing else is there.
func spaceEnd(s string, i int) int {
	end := runEnd(s, i, space)
	if end == len(s) || s[end-1] != ' ' {
		return end
	}
	if c, _ := classAt(s, end); c == digit {
		return end
	}
	if _, n := specialAt(s, end); n > 0 {
		return end
	}
	return end - 1
}

// runEnd returns the end of the characters of class c that begin at s[i].
func runEnd(s string, i int, c class) int {
	for i < len(s) {
		k, n := classAt(s, i)
		if k != c {
			break
		}
		if c == other {
			if _, special := specialAt(s, i); special > 0 {
				break
			}
		}
		i += n
	}
	return i
}

// appendPieces cuts a run into tokens between characters. A byte that is not valid UTF-8 counts as a character.
func appendPieces(out []Token, run string, flag Token) []Token {
	for len(run) > pieceBytes {
		n := 0
		for {
			_, size := utf8.DecodeRuneInString(run[n:])
			if n+size > pieceBytes {
				break
			}
			n += size
		}
		out = append(out, pack(run[:n], flag))
		run, flag = run[n:], 0
	}
	return append(out, pack(run, flag))
}

func pack(piece string, flag Token) Token {
	t := Token(0)
	for i := range len(piece) {
		t = t<<8 | Token(piece[i])
	}
	return t | Token(len(piece))<<lengthBit | flag
}

// Text returns the token's text, and whether the number is a token at all.
func (t Token) Text() (string, bool) {
	b, ok := t.appendText(nil)
	return string(b), ok
}

func (t Token) appendText(b []byte) ([]byte, bool) {
	n := int(t>>lengthBit) & 7
	switch {
	case t < 0 || t >= spaceFlag<<1 || n > pieceBytes:
		return b, false
	case n == 0:
		if t >= Token(len(specials)) {
			return b, false
		}
		return append(b, specials[t]...), true
	case t&(1<<lengthBit-1)>>(8*n) != 0:
		return b, false // bytes beyond the length: not a number that tokenize makes
	}
	if t&spaceFlag != 0 {
		b = append(b, ' ')
	}
	for ; n > 0; n-- {
		b = append(b, byte(t>>(8*(n-1))))
	}
	return b, true
}

// detokenize returns the text of the tokens. ok is false if one of them is not a token.
func detokenize(tokens []Token) (text string, ok bool) {
	b := make([]byte, 0, 5*len(tokens))
	for _, t := range tokens {
		if b, ok = t.appendText(b); !ok {
			return "", false
		}
	}
	return string(b), true
}
