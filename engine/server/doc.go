// Package server uses the side channels of an LLM server: it finds out what answers at an address, whether it is
// ready, what it serves and what it can report, and reads what a server knows apart from its replies (token ids,
// counters, cache resets).
//
// It does not know how a completion is requested and measured: a check that needs one gets a function from its
// caller. It starts no process.
//
// Nothing here guesses. What a server does not report is absent, with a reason that can be shown to a user.
package server
