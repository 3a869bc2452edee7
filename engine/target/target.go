// Package target makes a server ready to be measured.
//
// The input is a cell with the profile of its server, and the means to start one. The output is a target: what the
// server is, how to reach it, and what can be asked of it. The package measures nothing itself.
package target

import (
	"context"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/retrieve"
	"homellm/engine/server"
	"homellm/engine/wire"
)

// Target is a server that is ready to be measured, whether homellm started it or not.
type Target struct {
	Facts  event.Server
	Client client.Config  // how to reach it
	Body   map[string]any // extra keys of every request
	// prompts as the server renders them, with the beginning of the reply; nil: it cannot
	Tokenize func(context.Context, []dsl.Message, ...wire.Tool) ([]int, error)
	Reset    func(context.Context) error                   // empties its prefix cache; nil: it cannot
	Restart  func(context.Context) (url string, err error) // nil: homellm did not start it
	Block    int                                           // tokens in one block of its prefix cache; 1: single tokens
	// the server reports Block, or its engine caches single tokens: it need not be measured
	BlockTold bool
	Close     func()
	Side      *server.Side                       // what can be asked of the server besides completions; nil: nothing
	Started   *Running                           // nil: homellm did not start it
	Died      func(patience time.Duration) error // how a server that homellm started ended; nil: homellm did not start it
	RTT       time.Duration                      // shortest round trip; 0: not known
	Context   int                                // that every request asks for (Ollama's num_ctx); 0: none
	Embedded  bool                               // it runs in this process
	Embedder  *retrieve.Service                  // who embeds what the scenario retrieves; nil: nobody
	Reranker  *retrieve.Service                  // who reranks it; nil: nobody

	found  server.Found
	told   bool // the server reported its context
	naming Naming
	keep   func(context.Context) // records the state that the run is about to change; nil: there is nothing to restore
}

// Count returns a function that has the server count the tokens of a question as sent on an API; nil if the API cannot
// count.
func (t *Target) Count(api wire.API) func(ctx context.Context, text string) (int, error) {
	if t.Side == nil || api != wire.Messages {
		return nil
	}
	return func(ctx context.Context, text string) (int, error) { return t.Side.CountPrompt(ctx, t.Body, text) }
}

// Capabilities returns what the server reports about itself, before any prompt was sent.
func (t *Target) Capabilities() []engines.Capability { return t.found.Capabilities }

// ReadsThoughts reports whether the chat template of the model reads what an assistant has thought, according to the
// server; nil: it does not say.
func (t *Target) ReadsThoughts() *bool {
	for _, m := range t.found.Models {
		if m.ID == t.Client.Model || len(t.found.Models) == 1 {
			return m.Thoughts
		}
	}
	return nil
}

// Takes is the context size of the server in tokens; 0: unknown.
func (t *Target) Takes() int {
	if t.Facts.ContextTokens == nil {
		return 0
	}
	return *t.Facts.ContextTokens
}

// Shut closes what was opened for the target.
func (t *Target) Shut() {
	if t.Close != nil {
		t.Close()
	}
}

// diedPatience is how long a process may outlive its sockets.
const diedPatience = 2 * time.Second

// Ended says how a server that homellm started ended by itself; nil if it runs, or homellm did not start it.
func (t *Target) Ended() error {
	if t.Died == nil {
		return nil
	}
	return t.Died(diedPatience)
}

// Hints say what to do about a first request that fails, by the class of its error. An error of any other class does
// not keep a server from being measured.
func (t *Target) Hints(profile *dsl.Server) map[string]string {
	return map[string]string{
		"connect":         startHint(profile),
		"model_not_found": modelHint(t.Facts),
		"unauthorized":    KeyHint(profile),
		"redirect":        "name the address that it redirects to",
	}
}
