// Package model knows how a language model wants to be addressed and what it takes to have it
// here: the text a chat template makes of a conversation, how many tokens that is, which files
// a hub has to deliver, and whether they fit a graphics card.
//
// It refuses to know scenarios, servers and processes. It reads no environment and prints
// nothing: endpoints, tokens, folders and progress callbacks are handed in.
package model
