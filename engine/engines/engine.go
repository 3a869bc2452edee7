// Package engines is the one table of engines: the programs behind the wire, such as llama.cpp, vLLM and Ollama.
// An entry says how an engine is recognised, what it reports, how it is started, and what to advise when it fails;
// in come a server's responses, a profile's flags and a log's lines, out go facts, arguments and hints. It opens no
// connection and starts no process: engine/server and engine/host do, with what the entries say.
package engines

import (
	"context"
	"maps"

	"homellm/engine/wire"
)

// Engine is one kind of server. A new engine is one entry of [All].
type Engine struct {
	Name         string // as in servers.yaml
	Title        string // as its makers write it
	Ports        []int  // at which people's servers listen, the likeliest first
	Role         Role
	Models       Models
	Capabilities []Capability // what this kind of server offers; a probe refines it
	API          API
	Metrics      *Metrics // nil: it has none
	Prompt       Prompt
	Launch       Launch
	Hints        Hints
	Docs         []Row // what docs/servers.md says of it
}

// Role is what an entry describes, if not one engine.
type Role int

// The roles.
const (
	Known     Role = iota // an engine that is recognised by what it alone says
	Generic               // any server that speaks the API that all of them speak: recognised last
	Simulator             // homellm's own
)

// Models says how an engine treats the names of models.
type Models struct {
	Any        bool   // serves its one model whatever name a request gives
	DefaultTag string // it adds this to a name without a tag
	OnRequest  bool   // it loads a model for the first request, with the context that the request asks for
	OnDemand   bool   // a request may load a model, or be passed on to a server that costs money
}

// API is what an engine offers in addition to completions. What is nil it does not offer.
type API struct {
	Dialect  wire.API                     // its own API for completions, by the name it has in engine/client
	Sign     func(Responses) bool         // it alone answers so, whatever else was asked; nil: there is no such sign
	Paths    []string                     // that it is asked for once it is thought to be this one
	Counting map[string]any               // keys of a request on OpenAI's APIs that have each event count the tokens
	Identify func(Responses, *Facts) bool // recognises it, and fills in what the first responses tell
	Details  func(context.Context, Server, *Facts)
	Tokenize func(context.Context, Server, Target, Input) ([]int, error)
	Reset    func(context.Context, Server, Target) error // drops the prefix cache
	Load     func(context.Context, Server, Target) error // loads the model
	Loaded   func(context.Context, Server) ([]LoadedModel, error)
	// puts back what Load and requests have changed of a model: was is what Loaded said of it before, nil if nothing
	Restore      func(ctx context.Context, s Server, t Target, was *LoadedModel) error
	Mute         bool                        // a reply that says nothing of cached tokens never will, whatever is cached
	PartialReset string                      // paths that begin so reset a part of the cache only
	ExplainReset func(Response, error) error // adds to the error of a reset what would fix it
}

// Counted adds to the keys of a streamed request on an API those that have its events count the tokens.
func (e Engine) Counted(api wire.API, keys map[string]any) map[string]any {
	if e.API.Counting == nil || api != "" && api == e.API.Dialect {
		return keys
	}
	out := maps.Clone(e.API.Counting)
	maps.Copy(out, keys)
	return out
}

// Target is what side channels are asked about.
type Target struct {
	Model         string // as requests name it
	ContextTokens int    // that requests ask for; 0: they do not
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

// Input is a prompt to tokenise: messages, or text if there are none.
type Input struct {
	Messages []Message
	Text     string
}

// LoadedModel is a model that a server has in memory.
type LoadedModel struct {
	Name          string `json:"name"`
	Size          int64  `json:"size"`      // bytes
	SizeVRAM      int64  `json:"size_vram"` // bytes
	ContextTokens *int   `json:"context_length"`
	Expires       string `json:"expires_at"` // when it leaves memory if nobody asks for it again
}

// GPUShare is the part of the model that is in GPU memory, 0..1; false if it is not told.
func (m LoadedModel) GPUShare() (float64, bool) {
	if m.Size <= 0 {
		return 0, false
	}
	return float64(m.SizeVRAM) / float64(m.Size), true
}

// Prompt says what becomes of a prompt on its way into the model.
type Prompt struct {
	Text           TextRule
	OtherTemplates bool   // it may render with other templates than the model's own
	SystemFallback string // where system messages go that the template refuses, as in engine/model; empty: nowhere
}

// TextRule says how a server has to be asked for the completion of a text, so that what opens every prompt (BOS) is
// in it once: most servers put it there themselves, and only some can be told not to.
type TextRule struct {
	BOS   bool           // the text carries it
	Extra map[string]any // keys that keep the server from adding it
	Stops int            // how many of the template's stop texts are sent
	Never string         // why the server cannot be asked at all
}

// manyStops is how many stop texts a server takes that sets no lower limit.
const manyStops = 16

// Hints are what a person can do about an engine.
type Hints struct {
	Start          string // command that starts it
	Pull           string // command that fetches a model, up to its name
	SmallModel     string // a model for that command, to begin with
	ReportFlag     string // has it report cached tokens
	StartReporting string // command that starts it so
	ReportSince    string // which versions report cached tokens
	Template       string // what to do about a model that does not know the template it is asked with
	CacheOn        string // command that starts it with its prefix cache, where that can be switched off
	WholeWindow    string // has it keep everything of layers that look back so many tokens, as its prefix cache needs it
}

// Launch is what is known of the program.
type Launch struct {
	Programs []Program
	Flags    FlagSet
	Memory   Memory
	Log      Log
}

// Program is a command that starts an engine, by its base name, and how an installed one tells its version.
type Program struct {
	Command string
	Install string // how it is installed; empty: no advice
	Version Version
	Help    string // arguments that print its flags; empty: it prints none
}

// Version is how a program is asked for its version: by an argument, or by what Python says of a package, without
// importing it.
type Version struct {
	Argument string // such as --version
	Package  string // of the Python that the first line of the program names
	Module   bool   // the program is Python, and the package is the one of -m
	Pattern  string // finds the version in what is printed
}

// pythonVersion is what Python prints of a package.
const pythonVersion = `(?m)^(\d[\w.+-]*)$`

// Memory names the flags that decide what a server takes of the graphics cards.
type Memory struct {
	Share    string                              // share of a card; empty: it takes what it needs
	Spreads  bool                                // over all cards
	Context  []string                            // context of all slots together
	KVTypes  [][]string                          // types of the numbers in the KV cache, whose mean counts
	Parallel [][]string                          // cards that work together, multiplied
	Offload  []string                            // move weights elsewhere
	Pinned   func(flags Values, layers int) bool // all layers and the KV cache have to be on the cards; nil: always
	SmallKV  string                              // flags that halve the KV cache
}
