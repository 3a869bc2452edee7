package sim

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const prose = `The cooling circuit has to be inspected once a year. Remove the cover, which is held by four bolts,
and look for traces of leakage around the pump. If the hoses feel brittle or show cracks near the clamps, replace
them as a set; do not mix old and new parts. After refilling, let the engine run until the thermostat opens, check the
level again, and write the date into the service book. Owners who drive mostly short distances should change the
coolant more often than the schedule says, because condensation collects in the expansion tank.`

func TestTokensPerWord(t *testing.T) {
	tokens, words := len(tokenize(prose)), len(strings.Fields(prose))
	if r := float64(tokens) / float64(words); r < 1.2 || r > 1.5 {
		t.Errorf("%d tokens for %d words: %.2f a word, want about 1.3", tokens, words, r)
	}
}

func TestTokenizePieces(t *testing.T) {
	for text, want := range map[string][]string{
		"":                   {},
		"Hello world":        {"Hello", " world"},
		"considerable":       {"consid", "erable"},
		" considerably so":   {" consid", "erably", " so"},
		"at 41 Nm.":          {"at", " ", "4", "1", " Nm", "."},
		"a  b":               {"a", " ", " b"},
		"a\n\n- b":           {"a", "\n\n", "-", " b"},
		"x <|im_end|>\n":     {"x", " ", "<|im_end|>", "\n"},
		"..<|im_start|>user": {"..", "<|im_start|>", "user"},
		"上青天气":               {"上青", "天气"},
		" Größenänderung":    {" Größ", "enänd", "erung"},
		"a\xe4b":             {"a", "\xe4", "b"},
		"[INST] hi [/INST]":  {"[INST]", " hi", " ", "[/INST]"},
		"<|im_star":          {"<|", "im", "_", "star"},
		"the end of it ":     {"the", " end", " of", " it", " "},
		"................":   {"......", "......", "...."},
		"<｜User｜>x<｜end▁of▁sentence｜>": {"<｜User｜>", "x", "<｜end▁of▁sentence｜>"},
	} {
		got := []string{}
		for _, tok := range tokenize(text) {
			s, ok := tok.Text()
			if !ok || tok >= 1<<53 {
				t.Errorf("%q: token %d has no text or is too large for a float", text, tok)
			}
			got = append(got, s)
		}
		if !slices.Equal(got, want) {
			t.Errorf("Tokenize(%q) = %q, want %q", text, got, want)
		}
	}
}

// checkTokens asserts what the tokeniser promises of any text.
func checkTokens(t *testing.T, text string) {
	t.Helper()
	tokens := tokenize(text)
	back, ok := detokenize(tokens)
	if !ok || back != text {
		t.Fatalf("Detokenize(Tokenize(%q)) = %q, %v", text, back, ok)
	}
	cut := 0
	for i, tok := range tokens {
		part, _ := tok.Text()
		cut += len(part)
		if head := tokenize(text[:cut]); !slices.Equal(head, tokens[:i+1]) {
			t.Fatalf("the tokens of %q do not begin with those of %q: %v", text, text[:cut], head)
		}
	}
}

func FuzzTokenize(f *testing.F) {
	for _, s := range []string{prose, "a  \n b\t\tc ", "x<|im_end|>\n<|im_start|>user\n", "上青 \xff\xe4\xb8 1.234,5 [INST",
		" \u00a0é\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) < 2000 {
			checkTokens(t, s)
		}
	})
}

func TestTokenizeRandomTexts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "word", "longerwords", " ", "  ", "\n", "1", "23", ".", "--", "<", "<|im_end|>", "é", "上",
		"\xff", "[", "[INST]"}
	for range 2000 {
		var b strings.Builder
		for range rng.IntN(30) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		checkTokens(t, b.String())
	}
}

func TestDetokenizeRefusesOtherNumbers(t *testing.T) {
	for _, n := range []Token{-1, Token(len(specials)), 7 << lengthBit, 1 << 53, 1<<lengthBit | 0x4141} {
		if text, ok := n.Text(); ok {
			t.Errorf("number %d reads as %q", n, text)
		}
	}
}

func TestRenderIsPrefixStable(t *testing.T) {
	long := []Message{{"system", prose}, {"user", "What is it?"}, {"assistant", "There is nothing further to add."},
		{"user", "And then?"}}
	first := tokenize(render(long[:2], withHeader))
	if second := tokenize(render(long, withHeader)); !slices.Equal(second[:len(first)], first) {
		t.Error("the second turn does not extend the first one")
	}
	replied := slices.Concat(first, tokenize(long[2].Content))
	if second := tokenize(render(long, withHeader)); !slices.Equal(second[:len(replied)], replied) {
		t.Error("the second turn does not extend the first one and its reply")
	}
	if open := tokenize(render(long[:3], insideLast)); !slices.Equal(open, replied) {
		t.Error("a message to be continued does not end with its content")
	}
}

// A prompt that the client has rendered is understood in every template of the table.
func TestSplitRenderedPrompts(t *testing.T) {
	want := []Message{{"system", "Be brief."}, {"user", "One?"}, {"assistant", "Two."}, {"user", "Three?"}}
	for name, prompt := range map[string]string{
		"chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n" +
			"Two.<|im_end|>\n<|im_start|>user\nThree?<|im_end|>\n<|im_start|>assistant\n",
		"phi": "<|system|>\nBe brief.<|end|>\n<|user|>\nOne?<|end|>\n<|assistant|>\nTwo.<|end|>\n<|user|>\n" +
			"Three?<|end|>\n<|assistant|>\n",
		"llama": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe " +
			"brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n" +
			"One?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n" +
			"Two.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n" +
			"Three?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
		"r1":      "<｜begin▁of▁sentence｜>Be brief.<｜User｜>One?<｜Assistant｜>Two.<｜end▁of▁sentence｜><｜User｜>Three?<｜Assistant｜>",
		"roundup": render(want, withHeader),
	} {
		if got := split(prompt); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := split("<s>[INST] Be brief.\n\nOne?[/INST] Two.</s>[INST] Three?[/INST]"); !slices.Equal(got, []Message{
		{"user", "Be brief.\n\nOne?"}, {"assistant", "Two."}, {"user", "Three?"}}) {
		t.Errorf("mistral: %q", got)
	}
	if got := split("Just a text < with [signs]."); !slices.Equal(got, user("Just a text < with [signs].")) {
		t.Errorf("plain: %q", got)
	}
	if got := split("Bolts take 41 Nm. How tight?\n"); !slices.Equal(got,
		[]Message{{"system", "Bolts take 41 Nm."}, {"user", "How tight?"}}) {
		t.Errorf("plain, two sentences: %q", got)
	}
}

func BenchmarkTokenize(b *testing.B) {
	text := manual(11000)
	b.ReportAllocs()
	for b.Loop() {
		tokenize(text)
	}
}

func BenchmarkAnswer(b *testing.B) {
	messages := []Message{{"system", manual(11000)}, {"user", "How tight are the head bolts?"}}
	b.ReportAllocs()
	for b.Loop() {
		answer(messages)
	}
}
