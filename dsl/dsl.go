// Package dsl reads homellm's YAML files: scenarios, servers, models. It turns bytes into typed documents whose parts
// have positions, compiles and type-checks expressions, expands matrices and plans what will be sent, all before
// anything is sent.
//
// It does not know HTTP, processes or measurements. The names for expressions come in as a [Vocabulary], the counting
// of tokens as a function.
package dsl

import (
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
	"homellm/schema"
)

// Scenario is one scenario file, for one cell: every ${…} in it has its value.
type Scenario struct {
	Pos           syntax.Pos
	SHA256        string // of the file and of every document file it reads
	Name          string
	Description   string
	Tags          []string
	Requires      Requires
	Run           Run
	Vars          map[string]any // float64, int, string or bool
	Documents     []*Document
	Corpora       []*Corpus
	Conversations []*Conversation
	Assert        []*expr.Assertion               // scenario scope
	Schemas       map[string]*schema.AnswerSchema // that answers can be validated against

	SLO     []*expr.Assertion // turn scope: objectives, in the order of the file
	Overall []*expr.Assertion // overall scope: over all cells, so the same in each of them

	Condition *expr.Assertion // that the best cell of a search must meet; nil: there is none
}

// Run says how often and in which order the conversations are played.
type Run struct {
	Repeats     int
	Warmup      int
	Order       Order
	Cooldown    time.Duration
	Cache       Isolation
	Scope       Span          // the scope of one salt, reset or restart
	ErrorBudget float64       // 0..1
	AllowStale  bool          // isolation.allow_contaminated
	Play        Play          // the order of the conversations
	Users       int           // number of users, each of whom plays every conversation; 0: the scenario has no users
	Think       Think         // how long a user thinks before the next request
	Ramp        time.Duration // time within which the users begin
	Duration    time.Duration // how long a cell is played, in [Windows] windows, which are its repeats; 0: it has repeats
}

// Windows is the number of windows of equal length of a cell that is played for a time. A conversation belongs to the
// window in which it began.
const Windows = 10

// shared reports whether a later pass finds in the cache what an earlier one left there.
func (r Run) shared() bool { return r.Cache == NotIsolated || r.Scope == OfRun }

// Order is the order in which the repeats of cells are played.
type Order string

// The orders.
const (
	Interleaved Order = "interleaved" // one repeat of each cell in turn
	Sequential  Order = "sequential"  // cell after cell
	ABBA        Order = "abba"        // forwards and backwards in turn
)

// HistoryMode says which reply a history keeps.
type HistoryMode string

// The modes of a history.
const (
	Live     HistoryMode = "live"     // what the server replied
	Recorded HistoryMode = "recorded" // the recorded reply of the step
)

// Isolation says how a repeat is isolated from what an earlier one left in the server's cache.
type Isolation string

// The kinds of isolation.
const (
	BySalt      Isolation = "salt"
	ByReset     Isolation = "reset"
	ByRestart   Isolation = "restart"
	NotIsolated Isolation = "none"
)

// Span is the scope of an isolation.
type Span string

// The spans.
const (
	OfRun          Span = "run"
	OfRepeat       Span = "repeat"
	OfUser         Span = "user"
	OfConversation Span = "conversation"
)

// Document is text that a step injects.
type Document struct {
	Pos    syntax.Pos
	ID     string
	Title  string
	Source string // text | file | synthetic | chunk
	Text   string // the text itself, whatever its source
	Tokens int    // target of a synthetic document
	Seed   int64
}

// Conversation is an ordered list of steps that share one message history.
type Conversation struct {
	Pos         syntax.Pos
	ID          string
	Title       string
	Description string
	Tags        []string // its own and the scenario's
	Tokens      int      // declared size at its end, with every prompt token and reply; 0 if not declared
	System      string
	Given       *Given // history before the first step; nil: none
	Item        *Item  // that it is played for; nil: it has no data set
	Items       int    // of its data set that are played, each in a conversation of the same id
	Tools       []*Tool
	History     HistoryMode
	Steps       []*Step
	Assert      []*expr.Assertion
}

// Sampling is the part of a request that an author may set. A nil field is not sent.
type Sampling struct {
	Temperature *float64
	TopP        *float64
	Seed        *int64
	MaxTokens   int
	Stop        []string
	IgnoreEOS   *bool
	MinTokens   *int
	API         wire.API // empty: the server's own

	Thinking   string       `json:",omitempty"` // off, on, low, medium or high; empty: the server's default
	ToolChoice string       `json:",omitempty"` // auto, none, required or a tool; empty: the server's default
	Format     *wire.Format `json:",omitempty"` // the format that replies must have

	Model   string             `json:",omitempty"` // a model name to request instead of the cell's: a LoRA, an alias
	Numbers map[string]float64 `json:",omitempty"` // by their names in engines.Keys
}

// Step is one step of a conversation. Do is what it does to the history and sends.
type Step struct {
	Pos     syntax.Pos
	ID      string
	Action  string // key of its kind
	Do      Action
	Timeout time.Duration
	Request Sampling
	Assert  []*expr.Assertion // step scope
}

// Model is one entry of a models file.
type Model struct {
	Pos          syntax.Pos
	Name         string
	Description  string
	Aliases      []string
	Patterns     []string // patterns of its names on servers; see Library.Recognise
	Template     string
	Context      Context
	Tokenizer    string
	PrefixStable bool
	Reason       string // why the prefix is not stable
	Architecture *Architecture
	Thinking     *Thinking // nil: it never thinks, or this is unknown
	Tools        *bool     // whether its chat template accepts tools; nil: unknown
	Images       *bool     // whether it takes images; nil: unknown
	Sources      []*ModelSource
	Engines      map[string]EngineModel
}

// Context is a model's context size in tokens.
type Context struct {
	Trained  int
	Extended int    // with position scaling; 0: unknown
	Rope     string // method of position scaling
}

// Architecture has the figures of the KV-cache and roofline formulas.
type Architecture struct {
	Layers     int
	Heads      int
	KVHeads    int
	HeadDim    int
	Hidden     int
	Vocab      int
	Parameters float64

	SlidingWindow int // sliding window of some or all layers in tokens; 0: every layer sees the whole context

	// What is kept of a context where layers differ. 0: nothing is said.
	FullLayers   int   // layers that keep keys and values of the whole context
	WindowLayers int   // layers that keep those of the window; the others keep a state of fixed size, or share another's
	FullKVHeads  int   // KVHeads of the full layers
	FullHeadDim  int   // HeadDim of the full layers
	Tied         *bool // the output head is the embeddings' table; nil: not known
}

// ModelSource is one place a model can be downloaded from, or a file or folder of this machine.
type ModelSource struct {
	Pos      syntax.Pos
	Name     string
	Repo     string
	Path     string // path of a GGUF or a folder on this machine; empty: it has a repository
	Revision string
	Format   string
	Quant    string
	Gated    bool    // the hub requires that a licence is accepted
	Size     float64 // bytes of its weights as they are published, rounded; 0: not said
	Files    []ModelFile
}

// ModelFile is one file of a source.
type ModelFile struct {
	Path   string
	SHA256 string
	Bytes  int64
}

// EngineModel is the name of a model for one engine.
type EngineModel struct {
	Ref        string
	Source     string
	File       string
	ServedName string
}
