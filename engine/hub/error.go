package hub

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

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

// hints say what to do about an error code, or a status without one. {repo} and {endpoint} are filled in.
var hints = map[string]string{
	"GatedRepo": "{repo} is gated: open {endpoint}/{repo}, accept its licence, " +
		"then set HF_TOKEN to a token of that account",
	"RepoNotFound": "there is no such repository, or it is private; check the name, " +
		"or set HF_TOKEN to a token that may read it",
	"RevisionNotFound": "the repository has no such revision: its history was rewritten, or the revision is mistyped",
	"EntryNotFound":    "the revision has no such file",
	"DisabledRepo":     "the repository was disabled by the hub",
	"401":              "the repository does not exist, or it is private or gated and HF_TOKEN is missing or invalid",
	"403":              "this account may not read it; if {repo} is gated, accept its licence at {endpoint}/{repo}",
	"404":              "there is no such repository, revision or file",
	"429":              "too many requests: wait some minutes, or set HF_TOKEN for a higher limit",
}

// longestPause is how long a server that asks for a pause is waited for.
const longestPause = 2 * time.Minute

// refusal is the error of an answer that says no to a repository, or to a file of it; transient where that may pass.
func (h *Hub) refusal(r *http.Response, repo, file string) error {
	e := &Error{Why: fmt.Sprintf("%s: the hub answered %d", path.Join(repo, file), r.StatusCode)}
	if message := r.Header.Get("X-Error-Message"); message != "" {
		e.Why += " (" + message + ")"
	}
	hint, ok := hints[r.Header.Get("X-Error-Code")]
	if !ok {
		hint = hints[strconv.Itoa(r.StatusCode)]
	}
	e.Hint = strings.NewReplacer("{repo}", repo, "{endpoint}", h.endpoint()).Replace(hint)
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		if h.owns(r.Request.URL) {
			return e
		} // else an address that the hub gave may have expired, and another request gets a new one
	default:
		return e
	}
	pause := time.Duration(0)
	if s, err := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 31); err == nil {
		pause = time.Duration(s) * time.Second
	} else if when, err := http.ParseTime(r.Header.Get("Retry-After")); err == nil {
		pause = time.Until(when)
	}
	if pause > longestPause {
		e.Why += fmt.Sprintf("; it asks to retry in %v", pause.Round(time.Second))
		return e
	}
	return &transient{err: e, after: pause}
}
