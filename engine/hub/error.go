package hub

import "errors"

// ErrBusy says that a pull holds what was to be removed.
var ErrBusy = errors.New("a pull of it is in progress")

// Error is why a pull failed, with what the user can do about it.
type Error struct {
	Why, Hint string
	err       error // what caused it; nil: a decision of this package
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Why
	}
	return e.Why + ": " + e.Hint
}

func (e *Error) Unwrap() error { return e.err }

// Causes of an [Error].
var (
	errSpace = errors.New("the disk is too small")
	errHash  = errors.New("another hash than was promised")
)

func noSpace(why string) *Error {
	return &Error{why, "homellm models rm NAME frees space, HF_HOME names another disk", errSpace}
}
