package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one thing that goes wrong on purpose, and for which requests. The selectors all have to
// hold; a fault without any applies to every generation request.
type Fault struct {
	Kind string `json:"kind"` // one of [Kinds] or [RetrievalKinds]

	Path     string  `json:"path,omitempty"`     // the route; empty: those that generate, or those that the kind is of
	Requests []int   `json:"requests,omitempty"` // numbers of requests, from 1
	Model    string  `json:"model,omitempty"`    // the model that is asked for
	Prompt   string  `json:"prompt,omitempty"`   // a text that the prompt contains
	Every    int     `json:"every,omitempty"`    // only each k-th of those selected so far
	Share    float64 `json:"share,omitempty"`    // only this share of them, by the seed
	Times    int     `json:"times,omitempty"`    // at most this many times

	Token      int      `json:"token,omitempty"`       // after this many tokens; negative: after the last one
	Delay      Duration `json:"delay,omitempty"`       // as the kind says; of "hang", 0 is for ever
	Status     int      `json:"status,omitempty"`      // of "status"
	RetryAfter int      `json:"retry_after,omitempty"` // of "status", seconds; 0 for no such header
	Body       string   `json:"body,omitempty"`        // of "status", in place of vLLM's; of "html"
	Count      int      `json:"count,omitempty"`       // events, bytes or tokens, as the kind says
}

// Duration reads "250ms" in JSON.
type Duration time.Duration

// UnmarshalJSON reads a string as time.ParseDuration does.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is a string like \"250ms\": %w", err)
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}

// MarshalJSON writes the form that UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// Kinds is the table of faults, with what each does. Delays are not divided by the speed.
var Kinds = []struct{ Name, Doc string }{
	{"status", "refuse with a status (400, 401, 404, 429, 500, 503) before any token"},
	{"html", "answer 200 with an HTML page, as a proxy in the way does"},
	{"delay", "wait before anything else, headers included"},
	{"hang", "stop writing after some tokens, for a while or for ever; the tokens that were due meanwhile follow at once"},
	{"error", "send an error event after some tokens, then [DONE]"},
	{"eof", "end the reply cleanly after some tokens, without a finish reason and [DONE]"},
	{"reset", "reset the connection after some tokens"},
	{"crash", "call Config.Crash after some tokens and reset the connection"},
	{"malformed", "send one event of broken JSON after some tokens and go on"},
	{"oversized", "make the event after some tokens longer than count bytes (default 131072)"},
	{"split_utf8", "write every event in two parts that cut a character in half"},
	{"coalesce", "write count events (default 4) at once"},
	{"bundle", "put count tokens (default 4) into every event, as speculative decoding does"},
	{"buffer", "hold the reply back until it is whole, then send its events with a delay (default 200us) between them"},
	{"late_end", "send the finish reason in a separate event, a delay (default 300ms) after the last token"},
	{"whole_reasoning", "send all reasoning as one event once it is complete"},
	{"hidden_reasoning", "count the reasoning and never send it"},
	{"role_early", "send the role chunk with the headers"},
	{"no_usage", "leave the usage out"},
	{"no_done", "leave [DONE] out"},
	{"cached", "report count cached tokens, whatever the cache held"},
	{"usage", "report count completion tokens, whatever was written"},
	{"trickle", "write every event from then on byte by byte, with a delay (default 10ms) between them"},
	{"cut", "end the reply cleanly after some tokens, in the middle of an event"},
	{"truncate", "forget the beginning of a prompt of more than count tokens, and say nothing"},
	{"no_tools", "ignore the tools of a request and the choice among them, and say nothing"},
	{"swap", "answer in the name of another model, which body names"},
	{"skew", "have a clock that is off by delay"},
	{"counters", "count so many tokens (default 16) too many as cached in the metrics"},
	{"no_metrics", "have no metrics from then on"},
	{"restart", "lose the cache and begin all counters anew, as a supervisor's restart does"},
	{"guest", "serve another client's prompt of count tokens (default 256) from then on as well"},
}

// The routes of retrieval.
const (
	embedPath  = "/v1/embeddings"
	rerankPath = "/v1/rerank"
	bareRerank = "/rerank"
)

// struck are the routes that faults strike.
var struck = []string{"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", embedPath, rerankPath,
	bareRerank}

// RetrievalKinds is the table of faults of these routes alone. "status" and "delay" strike there too, with the path.
var RetrievalKinds = []struct{ Name, Doc string }{
	{"dimension", "send vectors of one number too few"},
	{"nan", "send NaN in place of a number, as a model in half precision does that overflows"},
	{"fewer", "send one result fewer than was asked for"},
	{"unsorted", "send the results of a reranker in another order than that of their scores"},
}

// check tells what is wrong with a fault.
func (f Fault) check() error {
	var names []string
	for _, k := range slices.Concat(Kinds, RetrievalKinds) {
		names = append(names, k.Name)
	}
	switch {
	case f.Path != "" && !slices.Contains(struck, f.Path):
		return fmt.Errorf("fault %s: no fault strikes the path %q; possible are %s", f.Kind, f.Path,
			strings.Join(struck, ", "))
	case !slices.Contains(names, f.Kind):
		return fmt.Errorf("no fault %q; known are %s", f.Kind, strings.Join(names, ", "))
	case f.Share < 0 || f.Share > 1:
		return fmt.Errorf("fault %s: share %v is not between 0 and 1", f.Kind, f.Share)
	}
	return f.checkNumbers()
}

// checkNumbers tells which number of a fault makes no sense for its kind.
func (f Fault) checkNumbers() error {
	switch {
	case f.Kind == "status" && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("fault status: %d is not the status of an error", f.Status)
	case (f.Kind == "delay" || f.Kind == "skew") && f.Delay <= 0:
		return fmt.Errorf("fault %s: needs a delay", f.Kind)
	case f.Kind == "swap" && f.Body == "":
		return fmt.Errorf("fault swap: body names the other model")
	case f.Kind == "truncate" && f.Count < 1:
		return fmt.Errorf("fault truncate: count says how many tokens are left")
	case f.Every < 0 || f.Times < 0 || f.Count < 0 || f.Delay < 0 || f.RetryAfter < 0:
		return fmt.Errorf("fault %s: a negative number", f.Kind)
	}
	return nil
}

// on reports whether the fault is one of a route.
func (f Fault) on(path string) bool {
	if f.Path != "" {
		return f.Path == path
	}
	only := slices.ContainsFunc(RetrievalKinds, func(k struct{ Name, Doc string }) bool { return k.Name == f.Kind })
	return only == slices.Contains([]string{embedPath, rerankPath, bareRerank}, path)
}

// arming is a fault and how often it was considered and applied.
type arming struct {
	Fault
	seen, fired int
}

func arm(faults []Fault) ([]*arming, error) {
	out := make([]*arming, len(faults))
	for i, f := range faults {
		if err := f.check(); err != nil {
			return nil, err
		}
		out[i] = &arming{Fault: f}
	}
	return out, nil
}

// applies decides for request n.
func (a *arming) applies(seed uint64, n int, model, prompt string) bool {
	if len(a.Requests) > 0 && !slices.Contains(a.Requests, n) ||
		a.Model != "" && a.Model != model ||
		a.Prompt != "" && !strings.Contains(prompt, a.Prompt) ||
		a.Times > 0 && a.fired >= a.Times {
		return false
	}
	a.seen++
	if a.Every > 1 && a.seen%a.Every != 0 {
		return false
	}
	if a.Share > 0 && rand.New(rand.NewPCG(seed, uint64(n))).Float64() >= a.Share {
		return false
	}
	a.fired++
	return true
}

// trouble is the set of faults that hit one request.
type trouble []Fault

// find returns the first fault of a kind.
func (t trouble) find(kind string) (Fault, bool) {
	for _, f := range t {
		if f.Kind == kind {
			return f, true
		}
	}
	return Fault{}, false
}

func (t trouble) has(kind string) bool {
	_, ok := t.find(kind)
	return ok
}

// at yields the faults that strike when this many tokens of total are written.
func (t trouble) at(written, total int) func(yield func(Fault) bool) {
	return func(yield func(Fault) bool) {
		for _, f := range t {
			token := f.Token
			if token < 0 || token > total {
				token = total
			}
			if token == written && !yield(f) {
				return
			}
		}
	}
}

func (t trouble) names() []string {
	var out []string
	for _, f := range t {
		out = append(out, f.Kind)
	}
	return out
}
