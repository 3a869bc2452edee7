package tokens

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tokenizerGolden is a tokenizer and what another program found with it; see
// testdata/make_tokenizers.py.
type tokenizerGolden struct {
	Tokenizer json.RawMessage `json:"tokenizer"`
	Cases     []struct {
		Text string  `json:"text"`
		IDs  []int32 `json:"ids"`
	} `json:"cases"`
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestTokenizer(t *testing.T) {
	for _, name := range []string{"bytewise", "piecewise"} {
		var golden tokenizerGolden
		readJSON(t, "testdata/tokenizers/"+name+".json", &golden)
		tokenizer, err := Parse(golden.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		if len(golden.Cases) < 15 {
			t.Fatalf("%d cases", len(golden.Cases))
		}
		for range 2 { // the second time from memory
			for _, tc := range golden.Cases {
				got, err := tokenizer.Encode(tc.Text)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.IDs, got); diff != "" {
					t.Errorf("%s: %q: -want +got\n%s", name, tc.Text, diff)
				}
			}
		}
		count, err := tokenizer.Counter().Count(golden.Cases[0].Text)
		if err != nil || count.Tokens != len(golden.Cases[0].IDs) || !count.Exact || count.Spread != 0 {
			t.Errorf("%s: counts %v, %v", name, count, err)
		}
	}
}

func TestTokenizerSteps(t *testing.T) {
	base := `{"added_tokens": [{"id": 90, "content": "<x>", "rstrip": true}, {"id": 91, "content": "<y>", "lstrip": true}],
		"model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, 
			"vocab": {"<unk>": 0, "a": 1, "b": 2, "▁": 3, "ab": 4, "▁a": 5, "1": 6, "11": 7, "é": 8, "Ġ": 9, "Ġa": 10},
		"merges": ["a b", "▁ a", "1 1", "Ġ a"]}, `
	for _, tc := range []struct {
		steps, text string
		want        []int32
	}{
		{`"normalizer": null`, "ab", []int32{4}},
		{`"normalizer": null`, "11111", []int32{7, 7, 6}},
		{`"normalizer": null`, "azzb", []int32{1, 0, 2}},
		{`"normalizer": null`, "a<x> \n b<y>", []int32{1, 90, 2, 91}},
		{`"normalizer": null`, "a  <y> b", []int32{1, 91, 0, 2}},
		// white space is Unicode's, not Python's
		{`"normalizer": null`, "<x>\u0085\u2003a<x>\x1ca", []int32{90, 1, 90, 0, 1}},
		{`"normalizer": {"type": "NFC"}`, "e\u0301", []int32{8}},
		{`"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}`, "a a<x>a",
			[]int32{5, 5, 90, 1}},
		{`"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}`, "a a<x>a",
			[]int32{5, 5, 90, 5}},
		{`"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"}`, "a a", []int32{1, 5}},
		{`"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": false}`, "a a", []int32{1, 5}},
		{`"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}`, "a a", []int32{5, 5}},
		{`"pre_tokenizer": {"type": "Digits", "individual_digits": true}`, "a11ab", []int32{1, 6, 6, 4}},
		{`"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true}`, "a a", []int32{10, 10}},
		{`"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
			{"type": "ByteLevel", "add_prefix_space": false}]}`, "a a1", []int32{1, 10, 6}},
		{`"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
			"pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious"}`,
			"a a", []int32{1, 5}},
	} {
		tokenizer, err := Parse([]byte(base + tc.steps + "}"))
		if err != nil {
			t.Errorf("%s: %v", tc.steps, err)
			continue
		}
		got, err := tokenizer.Encode(tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %q: -want +got\n%s", tc.steps, tc.text, diff)
		}
	}
}

// A token that spans a space keeps the text from being split there, and of added tokens that begin
// alike the longest counts.
func TestTokenizerTokensAcrossSpaces(t *testing.T) {
	tokenizer, err := Parse([]byte(`{"added_tokens": [
			{"id": 20, "content": "<x>"}, {"id": 21, "content": "<x>>"}, {"id": 22, "content": "<"}],
		"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "▁": 2, ">": 3, ">▁": 4, "▁b": 5, "a▁": 6},
			"merges": ["> ▁", "▁ b"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int32{"> b": {4, 1}, "b b": {1, 5}, "<x>>b": {21, 1}, "<x>b": {20, 1},
		"<b": {22, 1}} {
		if got, err := tokenizer.Encode(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

// What is not understood is refused, not guessed at.
func TestTokenizerRefuses(t *testing.T) {
	const good = `"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]`
	for _, tc := range []struct{ file, want string }{
		{`{`, "parsing"},
		{`{"model": {"type": "Unigram"}}`, "only BPE"},
		{`{"model": {"type": "BPE"}}`, "no vocabulary"},
		{`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a c"]}}`, `"c"`},
		{`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["ac"]}}`, "not a pair"},
		{`{"model": {` + good + `, "dropout": 0.1}}`, "at random"},
		{`{"model": {` + good + `, "end_of_word_suffix": "</w>"}}`, "parts of words"},
		{`{"model": {` + good + `}, "normalizer": {"type": "Lowercase"}}`, `"Lowercase"`},
		{`{"model": {` + good + `}, "normalizer": {"type": "Replace", "pattern": {"Regex": "x"}, "content": ""}}`,
			"replaces by a pattern"},
		{`{"model": {` + good + `}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Removed"}}`,
			`"Removed"`},
		{`{"model": {` + good + `}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}}`,
			"pattern"},
		{`{"model": {` + good + `}, "added_tokens": [{"id": 3, "content": "x", "single_word": true}]}`, "as a word only"},
		{`{"model": {` + good + `}, "normalizer": {"type": "Prepend", "prepend": "▁"},
			"added_tokens": [{"id": 3, "content": "<s>", "normalized": true}]}`, "normalised"},
	} {
		if _, err := Parse([]byte(tc.file)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.file, err, tc.want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "tokenizer.json")); err == nil {
		t.Error("a file that is not there was read")
	}
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, fileBytes+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than 256 MiB") {
		t.Errorf("a huge file: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"model": {`+good+`}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	tokenizer, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := tokenizer.Encode("abba"); err != nil || !cmp.Equal(ids, []int32{2, 1, 0}) {
		t.Errorf("%v, %v", ids, err)
	}
}

func BenchmarkTokenizer15K(b *testing.B) {
	for _, name := range []string{"bytewise", "piecewise"} {
		var golden tokenizerGolden
		readJSON(b, "testdata/tokenizers/"+name+".json", &golden)
		tokenizer, err := Parse(golden.Tokenizer)
		if err != nil {
			b.Fatal(err)
		}
		text := variedText(b)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := tokenizer.Encode(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
