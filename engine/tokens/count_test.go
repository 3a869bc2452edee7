package tokens

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func readText(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/texts/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The true counts come from the vocabularies of Llama 3.2 and Gemma 2 themselves, applied by other
// implementations. An estimate must lie where its own label says.
func TestEstimateKeepsItsLabel(t *testing.T) {
	for _, tc := range []struct {
		text         string
		llama, gemma int
	}{
		{"prose", 102, 101},
		{"code", 120, 151},
		{"json", 110, 133},
		{"chinese", 84, 65},
	} {
		for model, truth := range map[string]int{"llama-3.1-8b": tc.llama, "google/gemma-2-9b-it": tc.gemma} {
			got, err := Estimate(VocabularyOf(model)).Count(readText(t, tc.text))
			if err != nil {
				t.Fatal(err)
			}
			off := math.Abs(float64(truth-got.Tokens)) / float64(got.Tokens)
			if got.Exact || off > got.Spread {
				t.Errorf("%s, %s: %v, the truth is %d (%.0f %% off)", model, tc.text, got, truth, 100*off)
			}
			if tc.text == "prose" && got.Spread > 0.2 {
				t.Errorf("%s: a spread of %.2f for English says nothing", model, got.Spread)
			}
		}
	}
}

func TestDigitsAreSplitAsTheModelDoes(t *testing.T) {
	for _, tc := range []struct {
		text string
		size int
		want int
	}{
		{"", 1, 0},
		{"no digits", 1, 0},
		{"7", 1, 0},
		{"12", 1, 1},
		{"123", 1, 2},
		{"1234 and 56", 1, 2 + 1},
		{"1234567", 2, 4 - 3},
		{"1234567", 3, 0},
		{"1234567", 0, 0},
	} {
		if got := splitDigits(tc.text, tc.size); got != tc.want {
			t.Errorf("splitDigits(%q, %d) = %d, want %d", tc.text, tc.size, got, tc.want)
		}
	}
}

func TestEstimateCountsDigits(t *testing.T) {
	for model, want := range map[string]int{"qwen2.5-3b": 10, "llama-3.1-8b": 4} {
		if got, err := Estimate(VocabularyOf(model)).Count("1234567890"); err != nil || got.Tokens != want {
			t.Errorf("%s: %v, %v; want %d", model, got, err, want)
		}
	}
}

func TestVocabularyOf(t *testing.T) {
	for name, want := range map[string]string{
		"qwen2.5-3b":                               "qwen",
		"Qwen/Qwen2.5-3B-Instruct":                 "qwen",
		"deepseek-ai/DeepSeek-R1-Distill-Llama-8B": "llama-3",
		"deepseek-r1-distill-qwen-7b":              "qwen",
		"meta-llama/Llama-3.2-1B-Instruct":         "llama-3",
		"phi-3.5-mini":                             "llama-2",
		"mistral-7b-v0.3":                          "mistral",
		"gemma-3-4b":                               "gemma",
		"my-own-model":                             "an unknown vocabulary",
		"":                                         "an unknown vocabulary",
	} {
		if got := VocabularyOf(name).Name; got != want {
			t.Errorf("VocabularyOf(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestCountAdds(t *testing.T) {
	exact := Count{Tokens: 100, Confidence: Confidence{Exact: true, Source: "tokenizer.json"}}
	rough := Count{Tokens: 300, Confidence: Confidence{Spread: 0.10, Source: "cl100k scaled to x"}}
	sum := exact.Add(rough)
	if sum.Tokens != 400 || sum.Exact || math.Abs(sum.Spread-0.075) > 1e-9 {
		t.Errorf("sum is %+v", sum)
	}
	if got := (Count{}).Add(exact); got != exact {
		t.Errorf("nothing + exact = %+v", got)
	}
	if got := exact.String(); got != "100 tokens, exact" {
		t.Error(got)
	}
	if got := rough.String(); got != "300 tokens, estimated ± 10 %" {
		t.Error(got)
	}
}

func TestCounterIsSafeForConcurrentUse(t *testing.T) {
	c := Estimate(VocabularyOf("qwen2.5-3b"))
	text := readText(t, "code")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if n, err := c.Count(text); err != nil || n.Tokens == 0 {
					t.Errorf("%v, %v", n, err)
				}
			}
		})
	}
	wg.Wait()
}

// variedText is about 15,000 tokens of which hardly any paragraph is there twice.
func variedText(b *testing.B) string {
	b.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			b.Fatal(err)
		}
		text.Write(data)
	}
	const bytes = 48_000
	if text.Len() < bytes {
		b.Fatalf("%d bytes of documents", text.Len())
	}
	return strings.ToValidUTF8(text.String()[:bytes], "")
}

// A conversation of 15K tokens is counted in under 10 ms, once the vocabulary is loaded.
func BenchmarkEstimate15K(b *testing.B) {
	text := variedText(b)
	c := Estimate(VocabularyOf("qwen2.5-3b"))
	n, err := c.Count(text)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		clear(c.seen) // measure the counting, not the memory of it
		if _, err := c.Count(text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n.Tokens), "tokens")
}

// A text met before costs a look-up.
func BenchmarkEstimateAgain(b *testing.B) {
	text := variedText(b)
	c := Estimate(VocabularyOf("qwen2.5-3b"))
	for b.Loop() {
		if _, err := c.Count(text); err != nil {
			b.Fatal(err)
		}
	}
}
