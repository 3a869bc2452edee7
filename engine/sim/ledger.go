package sim

import (
	"slices"
	"sync"
	"time"
)

// Entry is the truth about one request. Durations are those of the schedule, from the arrival of the request at the
// handler; in virtual time they are exactly what happens on the wire. In JSON all durations are nanoseconds.
type Entry struct {
	N         int       `json:"n"` // number of the request, from 1
	ID        string    `json:"id"`
	Path      string    `json:"path"` // "/v1/chat/completions"
	Model     string    `json:"model"`
	Salt      string    `json:"salt,omitempty"`
	Stream    bool      `json:"stream"`
	Status    int       `json:"status"`           // 0 if the connection ended without one
	Faults    []string  `json:"faults,omitempty"` // those that were applied
	Arrival   time.Time `json:"arrival"`
	Messages  []Message `json:"messages,omitempty"`
	Prompt    string    `json:"prompt,omitempty"` // of a completions request
	Text      string    `json:"text"`
	Reasoning string    `json:"reasoning,omitempty"`
	Calls     []Call    `json:"calls,omitempty"`
	Finish    string    `json:"finish_reason"` // "stop", "length", "tool_calls", "abort", "error"; empty if refused

	PromptTokens    int `json:"prompt_tokens"`
	CachedTokens    int `json:"cached_tokens"`              // what the cache held, whatever the usage said
	OffloadedTokens int `json:"offloaded_tokens,omitempty"` // of those, what was loaded from the host's memory
	OutputTokens    int `json:"output_tokens"`              // what was written, including reasoning and the end token
	ReasoningTokens int `json:"reasoning_tokens"`
	Preemptions     int `json:"preemptions"`

	Queue   time.Duration   `json:"queue_ns"`   // from the front end's hand-over to the first step
	Prefill time.Duration   `json:"prefill_ns"` // from there to the first token
	TTFT    time.Duration   `json:"ttft_ns"`    // from arrival to the instant at which the first token's chunk is written
	TPOT    time.Duration   `json:"tpot_ns"`    // mean over the tokens after the first; 0 with fewer than two
	E2E     time.Duration   `json:"e2e_ns"`     // from arrival to the instant at which the last token's chunk is written
	Tokens  []time.Duration `json:"tokens_ns"`  // from arrival to the instant at which each token's chunk is written
	Late    time.Duration   `json:"late_ns"`    // by how much the worst chunk missed its instant; 0 in virtual time
}

// times fills in what follows from the tokens' instants.
func (e *Entry) times() {
	e.OutputTokens = len(e.Tokens)
	if n := len(e.Tokens); n > 0 {
		e.TTFT, e.E2E = e.Tokens[0], e.Tokens[n-1]
		if n > 1 {
			e.TPOT = (e.E2E - e.TTFT) / time.Duration(n-1)
		}
	}
}

// defaultLedger is how many requests the ledger keeps unless configured.
const defaultLedger = 1000

// ledger keeps the latest requests.
type ledger struct {
	mu      sync.Mutex
	limit   int
	entries []*Entry

	retrievals []Retrieval
}

// Retrieval is the truth about one request for vectors or scores.
type Retrieval struct {
	N      int           `json:"n"` // number of the request among those of both routes, from 1
	Path   string        `json:"path"`
	Model  string        `json:"model"`
	Key    bool          `json:"key,omitempty"` // it came with a key
	Texts  []string      `json:"texts"`
	Query  string        `json:"query,omitempty"` // of a reranker
	Faults []string      `json:"faults,omitempty"`
	Took   time.Duration `json:"took_ns"` // from the arrival to the instant at which the reply is written
}

// addRetrieval records a request for vectors or scores.
func (l *ledger) addRetrieval(r Retrieval) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retrievals = append(l.retrievals, r)
	if n := len(l.retrievals) - l.limit; n > 0 {
		l.retrievals = slices.Delete(l.retrievals, 0, n)
	}
}

// listRetrievals returns them in the order of their answers.
func (l *ledger) listRetrievals() []Retrieval {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.retrievals)
}

// add records a request that has ended. The caller may still improve Late through update.
func (l *ledger) add(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.times()
	l.entries = append(l.entries, e)
	if n := len(l.entries) - l.limit; n > 0 {
		l.entries = slices.Delete(l.entries, 0, n)
	}
}

// update changes a recorded request.
func (l *ledger) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// list returns copies, in the order in which the requests came.
func (l *ledger) list() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Entry, len(l.entries))
	for i, e := range l.entries {
		out[i] = *e
	}
	slices.SortStableFunc(out, func(a, b Entry) int { return a.N - b.N })
	return out
}

func (l *ledger) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.retrievals = nil, nil
}
