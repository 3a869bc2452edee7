package engines

import (
	"cmp"
	"maps"

	"homellm/engine/wire"
)

// Key is a number in a scenario's request that only some engines take, each under another name.
type Key struct {
	Name      string
	Low, High float64
	Whole     bool // an integer
}

// The keys that have a meaning of their own elsewhere.
const (
	ThinkingBudget = "thinking_budget"
	OtherModel     = "model" // a text: the name of the model in one request
)

// Keys are all such numbers, in the order of the docs. None of them can make a server read a file or fetch an address.
var Keys = []Key{
	{Name: ThinkingBudget, High: 1 << 20, Whole: true},
	{Name: "top_k", High: 1 << 20, Whole: true},
	{Name: "min_p", High: 1},
	{Name: "repeat_penalty", High: 10},
	{Name: "presence_penalty", Low: -2, High: 2},
	{Name: "frequency_penalty", Low: -2, High: 2},
}

// Words are an engine's names for keys of a request: the path in the body, with dots between objects.
type Words map[string]string

// Word is the path of a key in the body of a request to an API; false if the engine would ignore it there, or if
// whether it does is not known.
func (e Engine) Word(api wire.API, key string) (path string, ok bool) {
	words, own := e.Keys[cmp.Or(api, wire.Chat)]
	if !own {
		return "", false
	}
	path, ok = words[key]
	return path, ok
}

// onOpenAI are words for both of OpenAI's APIs, beside the penalties that these have themselves.
func onOpenAI(more Words) map[wire.API]Words {
	words := maps.Clone(more)
	for _, key := range []string{"presence_penalty", "frequency_penalty"} {
		words[key] = key
	}
	return map[wire.API]Words{wire.Chat: words, wire.Completions: words}
}

// withModel are words for a server that picks the model by the name in a request.
func withModel(words Words) Words {
	words[OtherModel] = "model"
	return words
}

// asVLLM are the words of vLLM, and of the simulator that imitates it.
func asVLLM() map[wire.API]Words {
	return onOpenAI(withModel(Words{
		"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty",
		ThinkingBudget: "thinking_token_budget",
	}))
}

// asLlama are the words of llama-server.
func asLlama() Words {
	return Words{
		"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty", ThinkingBudget: "thinking_budget_tokens",
	}
}
