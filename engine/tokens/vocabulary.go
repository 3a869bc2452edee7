package tokens

import "strings"

// Vocabulary relates a model's tokens to those of cl100k_base.
type Vocabulary struct {
	Name    string
	Words   float64 // tokens of the model per token of cl100k in words and blanks
	Marks   float64 // the same for punctuation, and for words that begin with a sign
	Foreign float64 // the same for words and signs that are not ASCII
	Digits  int     // most digits in one token: 3 in cl100k and Llama 3, 1 in nearly all others
	Spread  float64 // relative half width of the range that holds 95 of 100 texts of 300 characters and more
}

// vocabularies are found by the beginning of a model's name; the longest match wins. They were measured with the
// models' own tokenizer.json over 287 files of up to 20 kB (English prose, Go, Python and JavaScript, JSON, YAML and
// licences), and over the sentences of synthetic documents, which they match within 1 %; Foreign over 289 texts in 12
// scripts, which differ widely.
var vocabularies = []struct {
	prefixes []string
	Vocabulary
}{
	{[]string{"llama-3", "llama3", "meta-llama-3", "deepseek-r1-distill-llama"}, Vocabulary{
		// Measured with Llama 3.1's: it extends cl100k's and splits text by the same rule.
		Name: "llama-3", Words: 1, Marks: 1, Foreign: 0.72, Digits: 3, Spread: 0.02,
	}},
	{[]string{"qwen", "deepseek-r1-distill-qwen"}, Vocabulary{
		// Measured with Qwen 3's: it extends cl100k's and splits text by the same rule, except that digits are split.
		Name: "qwen", Words: 1, Marks: 1, Foreign: 0.75, Digits: 1, Spread: 0.02,
	}},
	{[]string{"gemma"}, Vocabulary{
		// Measured with Gemma 3's; at most 18 % off.
		Name: "gemma", Words: 0.96, Marks: 1.37, Foreign: 0.60, Digits: 1, Spread: 0.13,
	}},
	{[]string{"mistral"}, Vocabulary{
		// Measured with Mistral 7B's of 32,000 tokens; at most 19 % off.
		Name: "mistral", Words: 1.04, Marks: 1.54, Foreign: 1.05, Digits: 1, Spread: 0.15,
	}},
	{[]string{"phi-3", "phi3"}, Vocabulary{
		// Measured with Llama 2's, which Phi-3 has; at most 36 % off, for text in capitals.
		Name: "llama-2", Words: 1.084, Marks: 1.514, Foreign: 1.05, Digits: 1, Spread: 0.17,
	}},
}

// unknown is for models of which nothing is known: the middle between small and large vocabularies. All of the above
// lie within its spread.
var unknown = Vocabulary{
	Name: "an unknown vocabulary", Words: 1.03, Marks: 1.30, Foreign: 0.80, Digits: 1, Spread: 0.21,
}

// VocabularyOf returns the figures for a model by its name: a short name ("qwen2.5-3b") or a hub's
// ("Qwen/Qwen2.5-3B-Instruct"). An unknown name gets a wide estimate.
func VocabularyOf(name string) Vocabulary {
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	best, length := unknown, 0
	for _, v := range vocabularies {
		for _, p := range v.prefixes {
			if strings.HasPrefix(name, p) && len(p) > length {
				best, length = v.Vocabulary, len(p)
			}
		}
	}
	return best
}
