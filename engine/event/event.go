// Package event holds the facts of a run and the journal that stores them.
//
// It does not know how a fact came about or what follows from it: the engine emits, the fold in engine/metrics
// interprets.
//
// All instants are monotonic durations since the start of the run; wall time appears once, in [RunStarted]. A value
// that was not observed is a nil pointer, never a zero.
package event

import (
	"strings"
	"time"
)

// Version is the journal's format. Readers reject a journal of a later version. Since version 2 every line has a
// checksum.
const Version = 2

// Event is one fact. Seq counts from 1 without gaps within a journal.
type Event struct {
	Seq  uint64
	At   time.Duration // since the start of the run
	Cell string        // the cell it belongs to; empty for facts about the whole run
	Body Body
}

// Body is what happened: one of the types of this package that implement kind.
//
//sumtype:decl
type Body interface{ kind() string }

// RunStarted opens a journal.
type RunStarted struct {
	Version  int            `json:"version"`
	ID       string         `json:"id"`
	Started  time.Time      `json:"started"` // the only wall time of a run
	Homellm  string         `json:"homellm"` // version of this program
	Scenario Scenario       `json:"scenario"`
	Digest   string         `json:"digest"` // of the plan: what would be run
	Host     map[string]any `json:"host,omitempty"`
	Options  []string       `json:"options,omitempty"` // the flags that changed the plan, as typed, secrets removed
	Search   *Search        `json:"search,omitempty"`  // of a run that finds the best of its cells; nil: it does not
}

// Search is what a run looks for among its cells.
type Search struct {
	For    string        `json:"for"`             // the figure, such as steps.q.ttft_ms.p50
	Where  string        `json:"where,omitempty"` // what the best cell must meet; empty: nothing
	Budget time.Duration `json:"budget_ns"`
	Visit  int           `json:"repeats"` // of a cell in one round
}

// Scenario names what is being run and keeps the order in which reports show it.
type Scenario struct {
	Name        string `json:"name"`
	File        string `json:"file"`
	SHA256      string `json:"sha256"`
	Description string `json:"description,omitempty"`
	Repeats     int    `json:"repeats"`
	Warmup      int    `json:"warmup"`
	Isolation   string `json:"isolation"`
	// the scope of one salt, reset or restart: run, repeat or conversation
	Scope       string  `json:"scope"`
	ErrorBudget float64 `json:"error_budget"` // share of requests that may fail, 0..1
	// how long each cell is played, in windows that are its repeats; 0: it has repeats
	Duration      time.Duration  `json:"duration_ns,omitempty"`
	Conversations []Conversation `json:"conversations"`
}

// Shared reports whether a repeat may find in the cache what an earlier one left there.
func (s Scenario) Shared() bool { return !s.Isolated() || s.Scope == "run" }

// Isolated reports whether repeats are kept from each other's cache.
func (s Scenario) Isolated() bool { return s.Isolation != "none" }

// Conversation lists the steps of one conversation in order.
type Conversation struct {
	ID    string   `json:"id"`
	Title string   `json:"title,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	Given *Given   `json:"given,omitempty"` // history before the first step; nil: none
	Items int      `json:"items,omitempty"` // of its data set, for each of which it is played; 0: it has none
	Steps []Step   `json:"steps"`
}

// Given is the history that a conversation begins with. No request is made for it alone.
type Given struct {
	From     string `json:"from"` // the file, and which chat in it
	Messages int    `json:"messages"`
	Tokens   int    `json:"tokens,omitempty"` // from a trace without texts, whose blocks open the first question
}

// Step is one step of a conversation. Turns is how many requests it makes.
type Step struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	Turns  int    `json:"turns"`
}

// CellPlanned declares a cell before any of it runs, so that a cell that never ran is still reported.
type CellPlanned struct {
	Labels []Label `json:"labels"`
	Turns  int     `json:"turns"`          // measured requests of one repeat
	Skip   string  `json:"skip,omitempty"` // why the cell cannot run here; empty if it can
	// number of users, each of whom plays every conversation; 0: the scenario has no users
	Users    int  `json:"users,omitempty"`
	Together bool `json:"together,omitempty"` // several requests are under way at the same time
	// digest of what one repeat sends, however the scenario's file is written; empty in older journals
	Does string      `json:"does_sha256,omitempty"`
	SLO  []Objective `json:"slo,omitempty"` // objectives of its turns
}

// Objective is a service level objective: a condition that a turn meets or misses.
type Objective struct {
	Name string `json:"name"`
	That string `json:"that"` // the expression
}

// Label is one coordinate of a cell.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CellStarted opens one attempt at a cell. A later attempt replaces the earlier one, except for repeats that it keeps.
type CellStarted struct {
	Attempt int    `json:"attempt"`
	Server  Server `json:"server"`
	Keeps   int    `json:"keeps,omitempty"` // the last repeat that is kept of the earlier attempt; 0: none is
	Box     *Box   `json:"box,omitempty"`   // nil: it is played on the machine of the run
}

// Box is a machine of a fleet.
type Box struct {
	Name    string         `json:"name"`
	Homellm string         `json:"homellm"` // version of the program there
	Host    map[string]any `json:"host,omitempty"`
}

// Server describes the server that plays a cell.
type Server struct {
	Profile       string   `json:"profile"`
	Engine        string   `json:"engine"`
	Version       string   `json:"version,omitempty"`
	URL           string   `json:"url"`                     // never with credentials
	Address       string   `json:"address_class,omitempty"` // loopback | private network | public; empty: unknown
	Model         string   `json:"model"`
	Quant         string   `json:"quant,omitempty"`    // quantisation of its weights; empty: unknown
	Answered      string   `json:"answered,omitempty"` // model name in its replies, if that differs from the known names
	ContextTokens *int     `json:"context_tokens"`
	BlockTokens   int      `json:"block_tokens,omitempty"` // in one block of its prefix cache; 0: unknown
	Simulated     bool     `json:"simulated"`
	Embedded      bool     `json:"embedded,omitempty"`     // a simulator inside homellm
	Simulation    string   `json:"simulation,omitempty"`   // what is simulated, such as "RTX 4090, qwen2.5-3b"
	Capabilities  []string `json:"capabilities,omitempty"` // capabilities that were proven, such as cache_report
	SaltMethod    string   `json:"salt_method,omitempty"`  // body | message, if cells are isolated by salt
	Flags         string   `json:"flags_sha256,omitempty"` // digest of the command line, if homellm started it
	Revision      string   `json:"revision,omitempty"`     // of the model, as the models file pins it for this engine

	// what this server or machine does not report, with the reason: cache, usage, reasoning_tokens, server_timings,
	// speculation, or a metric
	Unsupported map[string]string `json:"unsupported,omitempty"`
}

// Outcome is the outcome of an assertion or a gate. A run and a comparison have further ones.
type Outcome string

// The outcomes of an assertion.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	// the server should have reported it, and did not or cannot be trusted
	Unknown     Outcome = "unknown"
	Unsupported Outcome = "unsupported" // it cannot be known here, which was clear before the run
	Skipped     Outcome = "skipped"
)

// Severity is the consequence of a failure.
type Severity string

// The severities.
const (
	SeverityFail Severity = "fail" // the run fails
	SeverityWarn Severity = "warn" // a remark: it never gates
	// passes are counted, for the share of them: it never gates
	SeverityCount Severity = "count"
)

// Gates says whether a failure fails the run.
func (s Severity) Gates() bool { return s != SeverityWarn && s != SeverityCount }

// Undecided says whether an outcome is neither a pass nor a failure.
func (o Outcome) Undecided() bool { return o == Unknown || o == Unsupported }

// OnUnknown is the consequence of an undecided outcome.
type OnUnknown string

// The choices of an author.
const (
	UnknownInconclusive OnUnknown = "inconclusive" // the run has no verdict
	UnknownFails        OnUnknown = "fail"         // as a failure
	UnknownSkips        OnUnknown = "skip"         // what cannot be known is allowed
	UnknownWarns        OnUnknown = "warn"         // what cannot be known is allowed, with a note
)

// Allows says whether the author allows an outcome that cannot be known.
func (o OnUnknown) Allows() bool { return o == UnknownSkips || o == UnknownWarns }

// Verdict is the judgement of one assertion, over all repeats of a cell or for the cell.
type Verdict struct {
	Name         string    `json:"name"`
	That         string    `json:"that"`
	Scope        string    `json:"scope"` // step | conversation | scenario | overall
	Conversation string    `json:"conversation,omitempty"`
	Step         string    `json:"step,omitempty"`
	Severity     Severity  `json:"severity"`
	OnUnknown    OnUnknown `json:"on_unknown"`
	Verdict      Outcome   `json:"verdict"`
	Why          string    `json:"why,omitempty"`
	Message      string    `json:"message,omitempty"`     // the author's own words for a failure
	Operands     []Operand `json:"operands"`              // of the decisive evaluation
	Evaluated    int       `json:"evaluated"`             // evaluations, one per repeat below scenario scope
	Passed       int       `json:"passed"`                //
	Unknown      int       `json:"unknown"`               // undecided evaluations of both kinds
	Unsupported  int       `json:"unsupported,omitempty"` // of them, those that cannot be known
	Items        []OfItem  `json:"items,omitempty"`       // of a data set, each on its own
	Item         int       `json:"item,omitempty"`        // of the decisive evaluation; 0: there is no data set
	MinPassRate  float64   `json:"min_pass_rate"`         // 0..1
	File         string    `json:"file"`                  //
	Line         int       `json:"line"`                  //
	Column       int       `json:"column"`                //
	Abort        bool      `json:"abort,omitempty"`       // a failure ended the run
	Excerpt      string    `json:"excerpt,omitempty"`     // the source line and caret, ready to print
	TextSeen     string    `json:"text_seen,omitempty"`   // the reply that a failed assertion about text read, shortened
	Labels       []Label   `json:"labels,omitempty"`      // overall scope: the values of axes for which it was judged
	Interval     *Interval `json:"interval,omitempty"`    // overall scope: the difference that decided, with a confidence
}

// Scored reports whether the assertion has a pass rate: it has a name of its own, not one of its place such as
// step.q1.assert[2], and is evaluated more than once.
func (v Verdict) Scored() bool {
	return (v.Scope == "step" || v.Scope == "conversation") && !strings.HasSuffix(v.Name, "]")
}

// OfItem is how often an assertion held for one item of a data set.
type OfItem struct {
	Item      int `json:"item"` // its place in the data set, from 1
	Evaluated int `json:"evaluated"`
	Passed    int `json:"passed"`
	Unknown   int `json:"unknown,omitempty"` // undecided
}

// Operand is one value that an assertion compared.
type Operand struct {
	Path   string `json:"path"`
	Value  any    `json:"value"` // float64, int, string or bool; nil if it is not exact
	Unit   string `json:"unit,omitempty"`
	Source string `json:"source,omitempty"`
	Why    string `json:"why,omitempty"` // why it is not exact

	Range       *Range  `json:"range,omitempty"`       // limits of a number that is not exact
	Beginning   *string `json:"beginning,omitempty"`   // beginning of a text that is not exact
	Unsupported bool    `json:"unsupported,omitempty"` // it cannot be known here
}

// Attained says which turns of a repeat missed an objective and for which that is not known. All others met it. It
// replaces an earlier one of the same repeat. Turns are numbered in the order in which the requests of the attempt
// ended, from 1.
type Attained struct {
	Objective string      `json:"objective"`
	Repeat    int         `json:"repeat"`
	Missed    []int       `json:"missed,omitempty"`
	Unknown   []Undecided `json:"unknown,omitempty"`
}

// Undecided are turns of which it is not known whether they met an objective, for one reason.
type Undecided struct {
	Turns       []int  `json:"turns"`
	Why         string `json:"why"`
	Unsupported bool   `json:"unsupported,omitempty"` // it cannot be known here
}

// CellDone closes a cell that ran to its end. Err says what ended it early; such a cell is reported with what it has,
// and a resume does not run it again.
//
// The other fields belong to a run with a time budget: the number of repeats, the numbers of repeats at each decision
// whether to play more, and why no more were played: certain, budget, maximum, partner or ended; in a search also worse
// or out.
type CellDone struct {
	Err     string `json:"error,omitempty"`
	Repeats int    `json:"repeats,omitempty"`
	Looks   []int  `json:"looks,omitempty"`
	Stopped string `json:"stopped,omitempty"`
}

// CellFailed closes a cell that could not run: the server did not start, the model is missing, a preflight check
// failed.
type CellFailed struct {
	Err  string `json:"error"`
	Hint string `json:"hint,omitempty"`
}

// RoundDone closes a round of a run that searches among its cells: every cell that may be the best is played once.
type RoundDone struct {
	N     int      `json:"n"`     // from 1
	Cells []string `json:"cells"` // that were to be played, in this order
	// which cells met the condition before the round: met, unmet or undecided; those that were not judged are as before
	Conditions map[string]string `json:"conditions,omitempty"`
}

// Note is a remark that every report shows with the numbers it concerns.
type Note struct {
	Code string `json:"code"` // such as throttled, foreign_traffic, context_truncated
	Text string `json:"text"`
}

// Sample is one reading of the machine while a cell runs, by metric name (gpu.power_w …).
type Sample struct {
	Values map[string]float64 `json:"values"`
}

// ColdPrompts are prompts that were new to the server, sent before the first pass and between the repeats to a server
// that reports no cached tokens. They show how long a first token takes after a prompt of which nothing is cached.
type ColdPrompts struct {
	Prompts []ColdPrompt `json:"prompts"`
	After   int          `json:"after_repeat,omitempty"` // the repeat before them; 0: before the first pass
}

// ColdPrompt is one such prompt.
type ColdPrompt struct {
	Tokens int           `json:"tokens"` // server's count
	TTFT   time.Duration `json:"ttft_ns"`
}

// Windows says that a cell is played for a time from here on, in windows of equal length, which are its repeats. A
// request belongs to the window in which its conversation began.
type Windows struct {
	From time.Duration `json:"from_ns"` // since the start of the run
	Each time.Duration `json:"each_ns"` // length of a window
}

// Facts are figures about a cell that are measured once, by metric name, with their source.
type Facts struct {
	Values map[string]float64 `json:"values"`
	Source string             `json:"source"`
}

// SinceLast compares a cell with the previous run that played it on the same machine. It is recorded when the run ends,
// so that reports do not depend on which runs are kept later.
type SinceLast struct {
	Run     string    `json:"run"` // the name of its folder
	Started time.Time `json:"started"`
	Earlier int       `json:"earlier"` // the number of runs before this one
	Changed []Changed `json:"changed"` // circumstances that differ
	Moves   []Move    `json:"moves"`
}

// Changed is a circumstance that differs between two runs.
type Changed struct {
	Key  string `json:"key"`
	Old  string `json:"old"`
	New  string `json:"new"`
	Note string `json:"note,omitempty"` // the name of the difference, such as a downgrade; empty: it has none
}

// Move is how far a figure moved from one run to the next.
type Move struct {
	Path string  `json:"path"`
	Unit string  `json:"unit"`
	Old  float64 `json:"old"`
	New  float64 `json:"new"`
	// the largest usual change between neighbouring earlier runs, relative, or absolute for a share; 0: too few runs to
	// tell
	Usual   float64 `json:"usual"`
	Verdict Outcome `json:"verdict"` // worse, better, same, or unknown with too few earlier runs
}

// RunDone closes a journal. A journal without it was cut off.
type RunDone struct {
	Interrupted string `json:"interrupted,omitempty"` // SIGINT | SIGTERM | SIGHUP
	Aborted     string `json:"aborted,omitempty"`     // the assertion or flag that ended the run early
}

func (RunStarted) kind() string  { return "run_started" }
func (CellPlanned) kind() string { return "cell_planned" }
func (CellStarted) kind() string { return "cell_started" }
func (Request) kind() string     { return "request" }
func (Verdict) kind() string     { return "verdict" }
func (Attained) kind() string    { return "attained" }
func (CellDone) kind() string    { return "cell_done" }
func (CellFailed) kind() string  { return "cell_failed" }
func (RoundDone) kind() string   { return "round_done" }
func (Note) kind() string        { return "note" }
func (Sample) kind() string      { return "sample" }
func (ColdPrompts) kind() string { return "cold_prompts" }
func (Facts) kind() string       { return "facts" }
func (Windows) kind() string     { return "windows" }
func (SinceLast) kind() string   { return "since_last" }
func (RunDone) kind() string     { return "run_done" }

// Milliseconds converts a duration to the unit of the figures.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
