// Package target makes a server ready to be measured.
//
// In come a cell with the profile of its server, and the means to start one. Out comes a target:
// what the server is, how to reach it, and what can be asked of it. It measures nothing itself.
package target

import (
	"context"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/server"
)

// Target is a server that is ready to be measured, whether homellm started it or not.
type Target struct {
	Facts  event.Server
	Client client.Config  // how to reach it
	Body   map[string]any // extra keys of every request
	// as the server renders them, with the opening of the reply; nil: it cannot
	Tokenize func(context.Context, []dsl.Message) ([]int, error)
	Reset    func(context.Context) error                   // empties its prefix cache; nil: it cannot
	Restart  func(context.Context) (url string, err error) // nil: homellm did not start it
	Block    int                                           // tokens in one block of its prefix cache; 1: single tokens
	// it says so itself, or its engine keeps single tokens: nothing is to be learnt
	BlockTold bool
	Close     func()
	Side      *server.Side                       // what can be asked of the server beside completing text; nil: nothing
	Started   *Running                           // nil: homellm did not start it
	Died      func(patience time.Duration) error // how a server that homellm started ended by itself; nil: not ours
	RTT       time.Duration                      // shortest round trip; 0: not known
	Context   int                                // that every request asks for (Ollama's num_ctx); 0: none does
	Embedded  bool                               // it runs in this process

	found  server.Found
	told   bool // its context is what the server said
	naming Naming
	keep   func(context.Context) // remembers what the run is about to change; nil: nothing that can be put back
}

// Capabilities are what is known of the server from what it says of itself, before a prompt was sent.
func (t *Target) Capabilities() []engines.Capability { return t.found.Capabilities }

// Takes is the context that the server is served with, in tokens; 0: not known.
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

// diedPatience is how much later than its sockets a process may end.
const diedPatience = 2 * time.Second

// Ended says how a server that homellm started ended by itself; nil if it runs, or is not ours.
func (t *Target) Ended() error {
	if t.Died == nil {
		return nil
	}
	return t.Died(diedPatience)
}

// Hints are what to do about a first request that failed, by the class of its error. An error
// whose class has none does not keep a server from being measured.
func (t *Target) Hints(profile *dsl.Server) map[string]string {
	return map[string]string{
		"connect":         startHint(profile),
		"model_not_found": modelHint(t.Facts),
		"unauthorized":    keyHint(profile),
		"redirect":        "name the address that it redirects to",
	}
}
