package hub

import (
	"errors"
	"fmt"
	"regexp"
)

// File is a file of a repository: as the hub lists it, as it is in the cache, or as a models file promises it.
type File struct {
	Path  string
	Bytes int64  // 0 of a promise: not known
	Hash  string // SHA-256, of small files at a hub git's SHA-1; its name in the cache; empty: not known
}

// contradicts says what differs between what was promised of a file and what there is; "" if nothing is known to.
func (f File) contradicts(promised File) string {
	switch {
	case len(f.Hash) == len(promised.Hash) && f.Hash != promised.Hash:
		return fmt.Sprintf("has hash %s, want %s", f.Hash, promised.Hash)
	case promised.Bytes > 0 && f.Bytes != promised.Bytes:
		return fmt.Sprintf("has %d bytes, want %d", f.Bytes, promised.Bytes)
	}
	return ""
}

var (
	repoName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*/[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
	hashName   = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// PullSpec is what to fetch.
type PullSpec struct {
	Repo     string // organisation/model
	Revision string // a commit pins it; a branch or tag is looked up; empty: main
	Format   string // safetensors or gguf: which files count where Files is empty; empty: safetensors
	Quant    string // of the GGUF files where Files is empty; empty: there is only one
	Files    []File // exactly these; empty: all of Format
}

// defaultRevision is the branch that a repository has if no other is named.
const defaultRevision = "main"

// ErrBusy says that a pull holds what was to be removed.
var ErrBusy = errors.New("a pull of it is in progress")

// Error is why a pull failed, with what the user can do about it.
type Error struct{ Why, Hint string }

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Why
	}
	return e.Why + ": " + e.Hint
}

func noSpace(why string) *Error {
	return &Error{why, "homellm models rm NAME frees space, HF_HOME names another disk"}
}
