package hub

import (
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

// A file that is being fetched lies beside its future place and grows from its start on, so that its size says
// what is there. A second file holds its path in the repository, since the name is only a hash. What a power
// failure takes from the disk is found by the hash.
const (
	partSuffix = ".part"
	pathSuffix = ".path" // after partSuffix
)
