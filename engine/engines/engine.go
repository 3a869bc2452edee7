// Package engines is the one table of engines: the programs behind the wire, such as llama.cpp, vLLM and Ollama. An
// entry says how an engine is recognised, what it reports, how it is started, and what to advise when it fails. The
// input is a server's responses, a profile's flags and the lines of a log; the output is facts, arguments and hints.
// The package opens no connection and starts no process: engine/server and engine/host do so from its entries.
package engines

import (
	"cmp"
	"context"
	"maps"

	"homellm/engine/wire"
)

// Engine is one kind of server. A new engine is one entry of [All].
type Engine struct {
	Name         string // as in servers.yaml
	Title        string // spelt as its makers do
	Ports        []int  // the usual ports of its servers, the likeliest first
	Role         Role
	Models       Models
	Capabilities []Capability // what this kind of server offers; a probe refines it
	API          API
	APIs         map[wire.API]Served   // whether it serves APIs that not every engine has; absent: not known
	Keys         map[wire.API]Words    // keys of requests that it supports, by API
	Ignored      map[wire.API][]string // keys that an API has but the engine does not read there
	LeastBudget  int                   // smallest thinking budget on the messages API, in tokens; 0: any
	Metrics      *Metrics              // nil: it has none
	Prompt       Prompt
	Launch       Launch
	Hints        Hints
	Docs         []Row // for docs/servers.md
}

// Role says what an entry describes if it is not a single engine.
type Role int

// The roles.
const (
	Known     Role = iota // an engine that is recognised by its own responses
	Generic               // any server with the common API: recognised last
	Simulator             // homellm's own
)

// Models says how an engine treats the names of models.
type Models struct {
	Any        bool   // serves its one model whatever name a request gives
	DefaultTag string // the tag it adds to a name without one
	OnRequest  bool   // it loads a model for the first request, with the context size of that request
	OnDemand   bool   // a request may load a model, or go to a server that costs money
}

// API is what an engine offers besides completions. A nil field is not offered.
type API struct {
	Dialect  wire.API                     // its own API for completions, by its name in engine/client
	Sign     func(Responses) bool         // a sign that only this engine gives, whatever was asked; nil: there is none
	Paths    []string                     // paths to ask once it is likely to be this engine
	Counting map[string]any               // keys of a request on OpenAI's APIs that make each event report a token count
	Identify func(Responses, *Facts) bool // recognises the engine, and fills in what the first responses say
	Details  func(context.Context, Server, *Facts)
	Tokenize func(context.Context, Server, Target, Input) ([]int, error)
	Reset    func(context.Context, Server, Target) error // drops the prefix cache
	Load     func(context.Context, Server, Target) error // loads the model
	Loaded   func(context.Context, Server) ([]LoadedModel, error)
	// restores the state of a model that Load and requests have changed: was is Loaded's answer before, nil if it was
	// not loaded
	Restore      func(ctx context.Context, s Server, t Target, was *LoadedModel) error
	Mute         bool                        // it never reports cached tokens if one reply has none, whatever is cached
	PartialReset string                      // paths with this prefix reset only a part of the cache
	ExplainReset func(Response, error) error // adds the remedy to the error of a reset
}

// Counted adds the keys that make the events of a streamed request count their tokens. Only completions have such keys.
func (e Engine) Counted(api wire.API, keys map[string]any) map[string]any {
	if e.API.Counting == nil || api != "" && api != wire.Chat && api != wire.Completions {
		return keys
	}
	out := maps.Clone(e.API.Counting)
	maps.Copy(out, keys)
	return out
}

// ThoughtsField is the field of an assistant's message from which the engine reads its thoughts, on an API.
func (e Engine) ThoughtsField(api wire.API) string {
	switch api {
	case wire.Ollama, wire.Responses, wire.Messages: // these APIs define the field themselves
		return wire.FieldThinking
	}
	return cmp.Or(e.Prompt.Thoughts, wire.FieldReasoningContent)
}

// Target is the server and model of a side channel request.
type Target struct {
	Model         string // the model's name in requests
	ContextTokens int    // context size in requests; 0: none
	TokenizePath  string // of the profile; empty: the engine's own
}

// tokenizePath is the profile's path, or the engine's own.
func (t Target) tokenizePath(own string) string {
	if t.TokenizePath != "" {
		return t.TokenizePath
	}
	return own
}

// Message is one message of a chat prompt.
type Message = wire.Message

// Tool is a tool that a model may call.
type Tool = wire.Tool

// Input is a prompt to tokenise: messages, or text if there are none.
type Input struct {
	Messages []Message
	Tools    []Tool // that go with the messages
	Text     string
}

// with adds the tools that go with messages to the body of a request.
func (in Input) with(body map[string]any) map[string]any {
	if len(in.Tools) > 0 {
		body["tools"] = wire.Functions(in.Tools)
	}
	return body
}

// LoadedModel is a model that a server has in memory.
type LoadedModel struct {
	Name          string `json:"name"`
	Size          int64  `json:"size"`      // bytes
	SizeVRAM      int64  `json:"size_vram"` // bytes
	ContextTokens *int   `json:"context_length"`
	Expires       string `json:"expires_at"` // when it is unloaded if no request uses it again
}

// GPUShare is the share of the model in GPU memory, 0..1; false if unknown.
func (m LoadedModel) GPUShare() (float64, bool) {
	if m.Size <= 0 {
		return 0, false
	}
	return float64(m.SizeVRAM) / float64(m.Size), true
}

// Prompt says how an engine turns a prompt into tokens.
type Prompt struct {
	Text           TextRule
	OtherTemplates bool   // it may use other templates than the model's own
	SystemFallback string // where system messages go if the template refuses them, as in engine/model; empty: nowhere
	Thoughts       string // field of an assistant's message for its thoughts, on OpenAI's APIs; empty: reasoning_content
}

// TextRule says how to request the completion of a text so that the beginning of sequence token (BOS) occurs once:
// most servers add it themselves, and only some can be told not to.
type TextRule struct {
	BOS   bool           // the text contains it
	Extra map[string]any // keys that keep the server from adding it
	Stops int            // how many of the template's stop texts are sent
	Never string         // why the server cannot complete texts
}

// manyStops is the number of stop texts for a server without a lower limit.
const manyStops = 16

// Hints are advice to users of an engine.
type Hints struct {
	Start          string // command that starts it
	Pull           string // command that downloads a model, without the model's name
	SmallModel     string // a model for that command, as an example
	ReportFlag     string // how to make it report cached tokens
	StartReporting string // command that starts it in this way
	ReportSince    string // which versions report cached tokens
	Template       string // what to do about a model that was not trained with the template in use
	CacheOn        string // command that starts it with its prefix cache, if that can be off
	WholeWindow    string // how to make it cache all tokens of layers with a sliding window
}

// Launch is what is known of the program.
type Launch struct {
	Programs []Program
	Flags    FlagSet
	Memory   Memory
	Log      Log
}

// Program is a command that starts an engine, by its base name, and how to ask an installed one for its version.
type Program struct {
	Command string
	Install string // how to install it; empty: no advice
	Version Version
	Help    string // arguments that print its flags; empty: none do
}

// Version is how to ask a program for its version: by an argument, or by asking Python for a package's version
// without importing it.
type Version struct {
	Argument string // such as --version
	Package  string // package of the Python in the program's first line
	Module   bool   // the program is Python, and the package is the argument of -m
	Pattern  string // finds the version in the output
}

// pythonVersion matches Python's output for a package.
const pythonVersion = `(?m)^(\d[\w.+-]*)$`

// Memory names the flags that decide how much graphics memory a server uses.
type Memory struct {
	Share    string                              // share of a card; empty: it takes what it needs
	Spreads  bool                                // over all cards
	Context  []string                            // context of all slots together
	KVTypes  [][]string                          // number types of the KV cache; their mean counts
	Parallel [][]string                          // numbers of cards that work together, multiplied
	Offload  []string                            // move weights elsewhere
	Pinned   func(flags Values, layers int) bool // asks for all layers and the KV cache on the cards; nil: always
	SmallKV  string                              // flags that halve the KV cache
}
