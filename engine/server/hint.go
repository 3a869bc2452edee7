package server

import "errors"

// hintedError is an error with a hint.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Hint() string  { return e.hint }
func (e hintedError) Unwrap() error { return e.error }

// WithHint adds to an error what to do next.
func WithHint(err error, hint string) error { return hintedError{err, hint} }

// HintOf is the hint of an error, or of one that it wraps; empty if there is none.
func HintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
