// Package tokens counts the tokens of texts for a model: exactly with the model's tokenizer.json, or as an
// estimate that carries its error.
//
// In come texts, the bytes of a tokenizer.json or a model's name; out go counts with how well they are
// known. It knows no chat templates and no downloads.
package tokens
