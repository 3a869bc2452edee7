package engines

import (
	"cmp"
	"maps"
	"slices"

	"homellm/engine/wire"
)

// Key is a number in a scenario's request that only some engines accept, each under its own name.
type Key struct {
	Name      string
	Low, High float64
	Whole     bool // an integer
}

// The keys that other code refers to.
const (
	ThinkingBudget  = "thinking_budget"
	OtherModel      = "model" // a text: the name of the model in one request
	ReasoningEffort = "reasoning_effort"
	ResponseFormat  = "response_format" // an object in the form of chat completions
	ToolChoice      = "tool_choice"
	seed, stop      = "seed", "stop"
)

// OwnBudget is the path of the thinking budget on the messages API. The client sends it with the type of thinking.
const OwnBudget = "thinking.budget_tokens"

// Keys are all such numbers, in the order of the docs. None of them can make a server read a file or fetch an address.
var Keys = []Key{
	{Name: ThinkingBudget, High: 1 << 20, Whole: true},
	{Name: "top_k", High: 1 << 20, Whole: true},
	{Name: "min_p", High: 1},
	{Name: "repeat_penalty", High: 10},
	{Name: "presence_penalty", Low: -2, High: 2},
	{Name: "frequency_penalty", Low: -2, High: 2},
}

// Words maps keys of a scenario's request to an engine's: the path in the body, with dots between objects.
type Words map[string]string

// Word returns the path of a key in the body of a request to an API; false if the engine ignores the key there, or may.
func (e Engine) Word(api wire.API, key string) (path string, ok bool) {
	words, own := e.Keys[cmp.Or(api, wire.Chat)]
	if !own {
		return "", false
	}
	path, ok = words[key]
	return path, ok
}

// Ignores reports whether the engine is known not to read a key that an API has.
func (e Engine) Ignores(api wire.API, key string) bool {
	return slices.Contains(e.Ignored[cmp.Or(api, wire.Chat)], key)
}

// onOpenAI returns an engine's words for both of OpenAI's older APIs, which also have the two penalties. Requests of
// the newer APIs name a model; what else an engine reads there is not known.
func onOpenAI(more Words) map[wire.API]Words {
	words := withPenalties(more)
	out := map[wire.API]Words{wire.Chat: words, wire.Completions: words}
	if path, ok := words[OtherModel]; ok {
		for _, api := range Optional {
			out[api] = Words{OtherModel: path}
		}
	}
	return out
}

// onNewer returns an engine's words for OpenAI's older APIs, for the responses API and for the messages API.
func onNewer(openAI, responses, messages Words) map[wire.API]Words {
	out := onOpenAI(openAI)
	out[wire.Responses], out[wire.Messages] = responses, messages
	return out
}

// withPenalties returns words with the two penalties, which have the same names on every engine.
func withPenalties(words Words) Words {
	out := maps.Clone(words)
	for _, key := range []string{"presence_penalty", "frequency_penalty"} {
		out[key] = key
	}
	return out
}

// withModel adds the model's name to words, for a server that picks the model by the name in a request.
func withModel(words Words) Words {
	words[OtherModel] = "model"
	return words
}

// asVLLM returns the words of vLLM 0.32 and of the simulator that imitates it.
func asVLLM() map[wire.API]Words {
	chat := withModel(Words{"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"})
	responses := withPenalties(chat)
	chat[ThinkingBudget] = "thinking_token_budget"
	return onNewer(chat, responses, withModel(Words{"top_k": "top_k", ThinkingBudget: OwnBudget}))
}

// asLlama returns the words of llama-server, as build 10434 was seen to read them. On the responses API it reads what
// it reads on chat completions, including the response format.
func asLlama() map[wire.API]Words {
	chat := Words{
		"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty", ThinkingBudget: "thinking_budget_tokens",
	}
	responses := withPenalties(chat)
	responses[ResponseFormat] = ResponseFormat
	return onNewer(chat, responses, Words{"top_k": "top_k", ThinkingBudget: OwnBudget,
		ReasoningEffort: "chat_template_kwargs." + ReasoningEffort})
}

// asLlamaRouter returns the words of the router, which picks the model by the name in a request.
func asLlamaRouter() map[wire.API]Words {
	words := asLlama()
	for api := range words {
		words[api] = withModel(maps.Clone(words[api]))
	}
	return words
}

// llamaIgnores are keys that llama-server was seen to ignore.
var llamaIgnores = map[wire.API][]string{wire.Messages: {ResponseFormat}}
