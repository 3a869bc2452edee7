// Package sim is a vLLM-compatible LLM server that does not run a model: it knows, to the nanosecond, when it writes
// each token and, to the token, what its prefix cache holds, so that a measurement can be compared with the truth. It
// does not know who measures it, and shares no code with the client.
//
// It models one engine that runs steps (decodes first, then prompts in chunks, within a token budget), a paged prefix
// cache with vLLM's rules, roofline durations from a GPU table and a model table, a FIFO queue, preemption by
// recompute, vLLM's routes, bodies, errors and metrics, and faults on demand.
//
// It does not model the scheduling noise of a real engine, speculative decoding, several tokens in one chunk (except on
// demand), sliding-window attention, quantised KV caches, log-probabilities and more than one choice in a reply. A
// request for one of these is refused with 400 rather than faked.
//
// Time is plain time.Now and timers. Inside a testing/synctest bubble the simulator therefore runs in virtual time,
// and every chunk is written at exactly the instant in the ledger.
package sim
