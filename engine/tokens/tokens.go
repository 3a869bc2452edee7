// Package tokens counts the tokens of texts for a model: exactly with the model's tokenizer.json, or as an estimate
// with its error.
//
// The input is texts, the bytes of a tokenizer.json or a model's name; the output is counts with their confidence. It
// knows no chat templates and no downloads.
package tokens
