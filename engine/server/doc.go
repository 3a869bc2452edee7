// Package server talks to the side channels of an LLM server: it finds out what answers at an
// address, whether it is ready, what it serves and what it can report, and reads what a server
// knows apart from its replies (token ids, counters, cache resets).
//
// It refuses to know how a completion is requested and measured: where a check needs one, the
// caller hands in a function that sends it. It starts no process.
//
// Nothing here guesses. What a server does not say is absent, and the reason is kept in words
// that can be shown to a user.
package server
