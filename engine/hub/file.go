package hub

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"homellm/engine/exit"
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

// find returns the file with a path.
func find(files []File, path string) (f File, ok bool) {
	i := slices.IndexFunc(files, func(f File) bool { return f.Path == path })
	if i < 0 {
		return File{}, false
	}
	return files[i], true
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
	Files    []File // exactly these; empty: those that Choose selects
	Choose   func(listed []File) ([]File, error)
}

// choose selects the files of a repository that a spec asks for, small ones first, so that a wrong account or name is
// noticed early and a server can already read the configuration.
func (s PullSpec) choose(listed []File) (chosen []File, err error) {
	for _, want := range s.Files {
		f, ok := find(listed, want.Path)
		if !ok {
			return nil, fmt.Errorf("%s at %s has no file %s", s.Repo, s.Revision, want.Path)
		}
		if bad := f.contradicts(want); bad != "" {
			return nil, fmt.Errorf("%s %s, says the hub: the revision is not the one that was pinned", want.Path, bad)
		}
		chosen = append(chosen, f)
	}
	if len(s.Files) == 0 {
		chosen, err = s.Choose(listed)
	}
	slices.SortStableFunc(chosen, func(a, b File) int { return cmp.Compare(a.Bytes, b.Bytes) })
	return chosen, err
}

// defaultRevision is the branch that a repository has if no other is named.
const defaultRevision = "main"

// ErrBusy says that a pull holds what was to be removed.
var ErrBusy = errors.New("a pull of it is in progress")

// noSpace returns the error for a disk that is full or too small for a pull.
func noSpace(format string, args ...any) error {
	return exit.Errorf(exit.Environment, "homellm models rm NAME frees space, HF_HOME names another disk", format, args...)
}
