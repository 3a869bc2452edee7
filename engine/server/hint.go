package server

import "errors"

// hintedError is an error with what to do next.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Hint() string  { return e.hint }
func (e hintedError) Unwrap() error { return e.error }

// WithHint says with an error what to do next.
func WithHint(err error, hint string) error { return hintedError{err, hint} }

// HintOf is what an error, or one that it wraps, says to do next; empty if none does.
func HintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
