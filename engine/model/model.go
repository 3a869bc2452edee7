// Package model knows what a language model sees and needs: the text that a chat template makes of a conversation,
// how that text changes from turn to turn, and the memory for weights and context.
//
// The input is messages, templates and the figures of an architecture; the output is prompts, their token counts and
// verdicts about fits. It knows no scenarios, servers or processes.
package model
