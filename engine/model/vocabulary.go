package model

import "strings"

// Vocabulary relates the tokens of a model's own vocabulary to those of cl100k_base.
type Vocabulary struct {
	Name   string
	Factor float64 // tokens of the model per token of cl100k, after the digits are accounted for
	Digits int     // most digits in one token: 3 in cl100k and Llama 3, 1 nearly everywhere else
	Spread float64 // half width seen over prose, code and JSON, as a share
	Basis  string  // how Factor and Spread are known
}

// vocabularies are found by what a model's name starts with; the longest match wins.
// Each factor says whether it was measured (over prose, documentation, Go and Python code, HTML and
// JSON in English, 30 files, 0.9 MB) or derived. Text outside ASCII widens every spread further.
var vocabularies = []struct {
	prefixes []string
	Vocabulary
}{
	{[]string{"llama-3", "llama3", "meta-llama-3", "deepseek-r1-distill-llama"}, Vocabulary{
		Name: "llama-3", Factor: 1.00, Digits: 3, Spread: 0.02,
		Basis: "measured with the vocabulary of Llama 3.2: 0.997 to 1.000; it extends cl100k's and splits text by the same rule",
	}},
	{[]string{"qwen", "deepseek-r1-distill-qwen"}, Vocabulary{
		Name: "qwen", Factor: 1.00, Digits: 1, Spread: 0.04,
		Basis: "derived: its vocabulary extends cl100k's and splits text by the same rule, but for digits, which stand alone",
	}},
	{[]string{"gemma"}, Vocabulary{
		Name: "gemma", Factor: 1.10, Digits: 1, Spread: 0.15,
		Basis: "measured with the vocabulary of Gemma 2: 0.99 for prose to 1.26 for code",
	}},
	{[]string{"mistral", "phi-3", "phi3"}, Vocabulary{
		Name: "32k", Factor: 1.15, Digits: 1, Spread: 0.15,
		Basis: "derived: 32k SentencePiece, about 3.8 characters a token of English where cl100k has 4.3, more for code",
	}},
}

// unknown serves models that nothing is known about: the middle between 32k and 256k vocabularies.
var unknown = Vocabulary{Name: "unknown", Factor: 1.06, Digits: 1, Spread: 0.15, Basis: "no figures for this model: between small and large vocabularies"}

// VocabularyOf returns the figures for a model by its name: a short name ("qwen2.5-3b") or a hub's
// ("Qwen/Qwen2.5-3B-Instruct"). A name nothing is known about gets a wide estimate.
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
