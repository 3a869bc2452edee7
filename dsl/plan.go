package dsl

import (
	"strings"
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
)

// forecast is what a plan can say of one assertion in one cell.
type forecast struct {
	Assertion    *expr.Assertion
	Conversation string   // empty in scenario scope
	Step         string   // empty above step scope
	SelfTest     []string // paths of which the self-test decides whether the server can tell them
}

// The axes that name entries of the library.
const (
	serverAxis = "server"
	modelAxis  = "model"
)

// Options are what a run sets in addition to the files.
type Options struct {
	Vars             map[string]string // replace the scenario's variables
	Servers          []string          // replace the matrix's servers
	DefaultServer    string            // plays a scenario that names no server; empty: its cells have none
	Model            string            // replaces the matrix's models
	Repeats          int               // 0: the scenario's own
	ContextSize      int               // context that is served, whatever a profile says; 0: not given
	MaxConversations int               // 0: all
	IncludeTags      []string          // conversations with any of these; none given: all
	ExcludeTags      []string          // wins over IncludeTags

	// Count returns the tokens of a text, and whether the model's own tokeniser has counted
	// them. The model is nil where a scenario leaves it to the server. A nil function estimates
	// from the characters.
	Count func(model *Model, text string) (n int, exact bool)

	// Render returns the prompt that a server makes of messages for a model, and whether it is
	// the model's own template that does. An error says that the template refuses them. An empty
	// prompt means that the template is not known, as a nil function does: a few tokens are
	// assumed around every message.
	Render func(server *Server, model *Model, messages []Message) (prompt string, exact bool, err error)

	// Examine looks at a whole conversation as the model's template renders it; nil: it is not looked at.
	Examine func(server *Server, model *Model, messages []Message) Examination

	// Served returns what is known of a server beyond its profile; nil: nothing.
	Served func(server string) (Served, bool)
}

// Examination is what the template of a model does to a conversation.
type Examination struct {
	Rendered bool      // the template is known, and takes the conversation
	Rewrites string    // where a turn does not extend the one before, and why; empty: every one does
	Daily    bool      // prompts hold today's date: they change at midnight
	Suspects []Suspect // text that the model reads as a special token
}

// Suspect is text of a message that a model reads as a special token.
type Suspect struct {
	Message int // index of the message
	Token   string
}

// Served is what a server that answers has shown.
type Served struct {
	ContextTokens int             // 0: not known
	BlockTokens   int             // tokens in one block of its prefix cache; 0: not known
	Capabilities  map[string]bool // what was looked for: found or not; what is absent is left to the profile
}

// Plan is what a run will do: every cell with every request, before one is sent.
type Plan struct {
	Name        string
	Description string
	File        string
	SHA256      string // of the scenario and of every document file it reads
	Digest      string // of everything that decides what is done
	Order       Order
	Repeats     int
	Warmup      int
	Cells       []*Cell
	Warnings    syntax.Diagnostics
}

// Cell is one combination of the matrix.
type Cell struct {
	ID       string // digest of everything that decides what the cell does and how it is judged
	Does     string // digest of what it sends, whatever the file looks like; see does
	Labels   []Label
	Values   map[string]any // of the axes
	Server   *Server        // nil: whichever server the run finds
	Model    *Model         // nil: whichever model the server has
	Scenario *Scenario
	Skip     string // why the cell cannot be played; empty if it can
	Turns    []PlannedTurn

	forecasts []forecast
	rewrites  string // where the template rewrites what it has rendered, if it was asked
	examined  bool   // it was, and takes every conversation
	daily     bool   // its prompts hold today's date
}

// Label is one coordinate of a cell.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PlannedTurn is one request of one measured repeat.
type PlannedTurn struct {
	Conversation string
	Step         string
	Turn         int // within the step, from 1
	Phase        figure.Phase
	PromptTokens int
	ReplyTokens  int     // at most
	KeptTokens   int     // what the history keeps of the reply: the recorded one, or at most ReplyTokens
	Exact        bool    // counted by the model's own tokeniser and template
	Reusable     int     // prompt tokens that a prefix cache can have seen before, in whole blocks
	Ceiling      float64 // Reusable / PromptTokens: no prefix cache can hit more
	Known        bool    // the ceiling is one: the template does not rewrite what it has rendered before

	removed bool // a document was removed since the turn before
	seen    int  // prompt tokens that have been seen before, in blocks of one token
	block   int  // tokens in a block of the server's cache
}

// String names a cell in messages: server x model x axis=value.
func (c *Cell) String() string {
	var parts []string
	for _, l := range c.Labels {
		if l.Name == serverAxis || l.Name == modelAxis {
			parts = append(parts, strings.Join(strings.Fields(l.Value), " "))
		} else {
			parts = append(parts, l.Name+"="+strings.Join(strings.Fields(l.Value), " "))
		}
	}
	return strings.Join(parts, " x ")
}

// ContextNeed is the longest prompt of the cell together with the reply it may get, in tokens.
func (c *Cell) ContextNeed() int {
	need := 0
	for _, t := range c.Turns {
		need = max(need, t.PromptTokens+t.ReplyTokens)
	}
	return need
}

// LongestPrompt is how many tokens the longest prompt of the cell has, by the plan.
func (c *Cell) LongestPrompt() int {
	longest := 0
	for _, t := range c.Turns {
		longest = max(longest, t.PromptTokens)
	}
	return longest
}

// LongestTimeout is the longest time that a turn of the cell may take.
func (c *Cell) LongestTimeout() time.Duration {
	var longest time.Duration
	for _, conversation := range c.Scenario.Conversations {
		for _, step := range conversation.Steps {
			longest = max(longest, step.Timeout)
		}
	}
	return longest
}

// Size is how many tokens a conversation has at its largest: every prompt token and the reply
// that the history keeps.
func (c *Cell) Size(conversation string) int {
	size := 0
	for _, t := range c.Turns {
		if t.Conversation == conversation {
			size = max(size, t.PromptTokens+t.KeptTokens)
		}
	}
	return size
}

// ModelFact returns what the models file says of the cell's model by the names that expressions
// have for it below model., or false if it does not say it.
func (c *Cell) ModelFact(name string) (v any, ok bool) {
	if c.Model == nil {
		return nil, false
	}
	v = map[string]any{
		"name": c.Model.Name, "template": unlessZero(c.Model.Template), "quant": unlessZero(c.quant()),
		"context_tokens": unlessZero(c.Model.Context.Trained),
	}[name]
	return v, v != nil
}

// quant is the quantisation of the source that the server's engine takes.
func (c *Cell) quant() string {
	source := ""
	if c.Server != nil {
		source = c.Model.Engines[c.Server.Engine].Source
	}
	for _, s := range c.Model.Sources {
		if s.Name == source || source == "" && len(c.Model.Sources) == 1 {
			return s.Quant
		}
	}
	return ""
}

func unlessZero[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
