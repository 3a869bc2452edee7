package target

import "errors"

// logShown is how many of the last lines of a server's log an error shows.
const logShown = 12

// logError is an error with the end of a log, for the terminal and not for results, because a log may contain
// anything.
type logError struct {
	error
	lines []string
}

func (e logError) Unwrap() error { return e.error }

func withLog(err error, tail []string) error {
	if cut := len(tail) - logShown; cut > 0 {
		tail = tail[cut:]
	}
	return logError{err, tail}
}

// LogOf is the end of the log in an error of a server that did not start or crashed; empty if there is none.
func LogOf(err error) []string {
	if e, ok := errors.AsType[logError](err); ok {
		return e.lines
	}
	return nil
}
