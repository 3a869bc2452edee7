package dsl

import (
	"strings"
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// forecast is what a plan knows of one assertion in one cell.
type forecast struct {
	Assertion    *expr.Assertion
	Conversation string   // empty in scenario scope
	Step         string   // empty above step scope
	SelfTest     []string // paths for which the self-test decides whether the server reports them
}

// Options are the settings of a run besides the files.
type Options struct {
	Vars             map[string]string // replace the scenario's variables
	Servers          []string          // replace the matrix's servers
	Variants         [][]Label         // each cell is played once with each of these choices; nil: with none
	Search           *Search           // what is looked for among the cells; nil: nothing is
	DefaultServer    string            // server of a scenario that names none; empty: its cells have none
	Model            string            // replaces the matrix's models
	Repeats          int               // 0: as in the scenario
	ContextSize      int               // overrides the served context of profiles; 0: not given
	MaxConversations int               // 0: all
	IncludeTags      []string          // conversations with any of these; none given: all
	ExcludeTags      []string          // wins over IncludeTags

	// Count returns the tokens of a text, and whether the model's own tokeniser counted them. The model is nil if the
	// scenario leaves it to the server. If Count is nil, the number is estimated from the characters.
	Count func(model *Model, text string) (n int, exact bool)

	// Render returns the prompt that a server makes of messages for a model, and whether the model's own template made
	// it. An error says that the template refuses the messages. An empty prompt, or a nil function, means that the
	// template is unknown: a few tokens are then assumed around every message.
	Render func(server *Server, model *Model, messages []Message, tools []wire.Tool) (prompt string, exact bool, err error)

	// Examine examines a whole conversation as rendered by the model's template; nil: it is not examined.
	Examine func(server *Server, model *Model, messages []Message) Examination

	Boxes []string // of a fleet: what box: all stands for; nil: this machine plays, and is in none

	// Box returns the facts of this machine by their names, if it is the one that plays; nil: it is not, and what a
	// scenario requires of the machine is decided elsewhere.
	Box expr.Lookup

	// Served returns what is known of a server besides its profile; nil: nothing.
	Served func(server string) (Served, bool)
}

// Examination is what a model's template does to a conversation.
type Examination struct {
	Rendered bool      // the template is known, and accepts the conversation
	Rewrites string    // the turn that does not extend the one before, and why; empty: every turn does
	Daily    bool      // prompts contain today's date, so they change at midnight
	Suspects []Suspect // text that contains special tokens
}

// Suspect is a special token in the text of a message.
type Suspect struct {
	Message int // index of the message
	Token   string
}

// Served is what a running server reports.
type Served struct {
	ContextTokens int             // 0: unknown
	BlockTokens   int             // tokens in one block of its prefix cache; 0: unknown
	Capabilities  map[string]bool // what was found or not; the profile decides the others

	APIs map[wire.API]string // why it does not serve one; empty: it does; absent: not known
}

// Plan is what a run will do: every cell with every request, before the first is sent.
type Plan struct {
	Name        string
	Description string
	File        string
	SHA256      string // of the scenario and of every document file it reads
	Digest      string // of everything that decides what is done
	Order       Order
	Alternating bool // cells that differ only in their servers are compared with each other
	Repeats     int
	Duration    time.Duration // of each cell; 0: it has repeats
	Warmup      int
	Cells       []*Cell
	Overall     []Overall
	Warnings    syntax.Diagnostics
}

// Cell is one combination of the matrix.
type Cell struct {
	ID       string // digest of everything that decides what the cell does and how it is judged
	Does     string // digest of what it sends, however the file is written; see does
	Labels   []Label
	Values   map[string]any // of the axes
	Server   *Server        // nil: the server that the run finds
	Model    *Model         // nil: the model that the server has
	Scenario *Scenario
	Skip     string // why the cell cannot be played; empty if it can
	Turns    []PlannedTurn

	forecasts []forecast
	rewrites  string // where the template rewrites earlier output, if it was examined
	examined  bool   // it was examined, and accepts every conversation
	daily     bool   // its prompts contain today's date
}

// PlannedTurn is one request of one measured repeat.
type PlannedTurn struct {
	User         int // from 1; 0: the scenario has no users
	Conversation string
	Step         string
	Turn         int // within the step, from 1
	Item         int // of the conversation's data set; 0: it has none
	Phase        figure.Phase
	PromptTokens int
	ReplyTokens  int     // at most
	KeptTokens   int     // tokens of the reply in the history: the recorded one, or at most ReplyTokens
	Exact        bool    // counted by the model's own tokeniser and template
	Reusable     int     // prompt tokens that a prefix cache may have seen, in whole blocks
	Ceiling      float64 // Reusable / PromptTokens: no prefix cache can hit more
	Known        bool    // the ceiling is certain: the template does not rewrite earlier output

	Images int // in the prompt; only the server knows their tokens

	// Chunks have been retrieved before it: the counts are the most, and Least has the least.
	Retrieved bool
	Least     Least

	open    bool // chosen, or an earlier turn showed images
	chosen  bool // the model chose in an earlier turn how the conversation goes on
	removed bool // a document was removed since the turn before
	seen    int  // prompt tokens that were seen before, for blocks of one token
	block   int  // tokens in a block of the server's cache
}

// Least is the lower end of what is planned for a turn. Its ends need not be of one prompt.
type Least struct {
	PromptTokens int
	Reusable     int
	Ceiling      float64
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

// Box is the name of the machine that plays the cell; empty: any may.
func (c *Cell) Box() string {
	name, _ := c.Values[BoxAxis].(string)
	return name
}

// ContextNeed is the longest prompt of the cell with its reply, in tokens.
func (c *Cell) ContextNeed() int {
	need := 0
	for _, t := range c.Turns {
		need = max(need, t.PromptTokens+t.ReplyTokens)
	}
	return need
}

// LongestPrompt is the planned size of the cell's longest prompt, in tokens.
func (c *Cell) LongestPrompt() int {
	longest := 0
	for _, t := range c.Turns {
		longest = max(longest, t.PromptTokens)
	}
	return longest
}

// API is the API of all requests of the cell; empty: they use several, or that of the profile.
func (c *Cell) API() wire.API {
	apis := map[wire.API]bool{}
	for _, conversation := range c.Scenario.Conversations {
		for _, step := range conversation.Steps {
			if step.Do != nil && step.Do.Turns() > 0 {
				apis[step.Request.API] = true
			}
		}
	}
	if len(apis) != 1 {
		return ""
	}
	for api := range apis {
		return api
	}
	return ""
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

// TurnsOf are the turns of one play of a conversation.
func (c *Cell) TurnsOf(conversation string) []PlannedTurn {
	return ofFirstUser(c.Turns, conversation)
}

func ofFirstUser(turns []PlannedTurn, conversation string) (out []PlannedTurn) {
	for _, t := range turns {
		if t.Conversation == conversation && (len(out) == 0 || t.User == out[0].User) {
			out = append(out, t)
		}
	}
	return out
}

// Size is the number of tokens of a conversation at its largest: every prompt token and the reply in the history.
func (c *Cell) Size(conversation string) int {
	size := 0
	for _, t := range c.Turns {
		if t.Conversation == conversation {
			size = max(size, t.PromptTokens+t.KeptTokens)
		}
	}
	return size
}

// ModelFact returns a fact of the cell's model from the models file, by its name below model. in expressions; false
// if there is none.
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

// quant is the quantisation of the source that the server's engine uses.
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

// Alternate has the cells be played forwards and backwards in turn, and compares those that differ only in their
// servers.
func (p *Plan) Alternate() {
	p.Order, p.Alternating = ABBA, true
	for _, c := range p.Cells {
		c.Scenario.Run.Order = ABBA
	}
}
