// Package model knows what a language model sees and what it needs: the text that a chat template
// makes of a conversation, where that text stays stable from turn to turn, and the memory that weights
// and context take.
//
// In come messages, templates and the figures of an architecture; out go prompts, their token counts
// and verdicts about fits. It knows no scenarios, servers or processes.
package model
