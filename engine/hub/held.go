package hub

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Held is what a cache has of what a spec asks for.
type Held struct {
	Files       []File   // whole, with their sizes
	Missing     []string // what a server would miss; of safetensors that no index lists, "model.safetensors"
	Interrupted bool     // a download of such a file was
	Unfinished  int64    // its bytes
}

// Whole says whether a server can be given it.
func (h Held) Whole() bool { return len(h.Files) > 0 && len(h.Missing) == 0 }

// Bytes is the size of the whole files.
func (h Held) Bytes() (n int64) {
	for _, f := range h.Files {
		n += f.Bytes
	}
	return n
}

// indexName is the file that says which weights are where in a split model.
const indexName = "model.safetensors.index.json"

// Holds looks for what a spec asks for in the snapshot of a commit, by any program, and among
// interrupted downloads.
func (c Cache) Holds(spec PullSpec, commit string) Held {
	var h Held
	size := c.files(spec.Repo, commit)
	for _, f := range spec.Files {
		n, ok := size[f.Path]
		if !ok || f.Bytes > 0 && n != f.Bytes || differs(etagOf(c.link(spec.Repo, commit, f.Path)), f.SHA256) {
			h.Missing = append(h.Missing, f.Path)
			delete(size, f.Path)
		}
	}
	paths := spec.pick(slices.Sorted(maps.Keys(size)))
	for _, p := range paths {
		h.Files = append(h.Files, File{Path: p, Bytes: size[p]})
	}
	if len(spec.Files) == 0 {
		h.Missing = missing(c.Snapshot(spec.Repo, commit), paths, spec.Format)
	}
	h.Interrupted, h.Unfinished = c.interrupted(spec)
	return h
}

// files are the files of a commit's snapshot with their sizes. What cannot be read is not there.
func (c Cache) files(repo, commit string) map[string]int64 {
	size := map[string]int64{}
	if commit == "" {
		return size
	}
	root := c.Snapshot(repo, commit)
	_ = filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if info, e := os.Stat(p); err == nil && e == nil && info.Mode().IsRegular() {
			if rel, e := filepath.Rel(root, p); e == nil {
				size[filepath.ToSlash(rel)] = info.Size()
			}
		}
		return nil
	})
	return size
}

// interrupted says whether a download of a file that a spec asks for was interrupted, and how many bytes are there.
func (c Cache) interrupted(spec PullSpec) (found bool, bytes int64) {
	blobs, _ := os.ReadDir(c.blob(spec.Repo, ""))
	for _, b := range blobs {
		info, err := b.Info()
		if err != nil || !strings.HasSuffix(b.Name(), partSuffix) {
			continue
		}
		p, err := os.ReadFile(c.blob(spec.Repo, b.Name()) + pathSuffix)
		if err == nil && len(spec.pick([]string{string(p)})) > 0 {
			found = true
			bytes += info.Size()
		}
	}
	return found, bytes
}

// missing is what a server would miss of a model that has these files.
func missing(root string, paths []string, format string) []string {
	out := absent(paths)
	mistral := slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, "consolidated") })
	if format != "gguf" && !mistral && !slices.Contains(paths, "config.json") {
		out = append(out, "config.json")
	}
	kind := "." + cmp.Or(format, "safetensors")
	switch {
	case slices.Contains(paths, indexName):
		out = append(out, unindexed(filepath.Join(root, indexName), paths)...)
	case !slices.ContainsFunc(paths, func(p string) bool { return path.Ext(p) == kind }):
		out = append(out, "model"+kind)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// indexBytes bounds an index that is read; those of the largest models have some 10 MB.
const indexBytes = 64 << 20

// unindexed are the files that an index promises and that are not among the paths; the index itself if it
// cannot be read.
func unindexed(index string, paths []string) (out []string) {
	var file struct {
		Of map[string]string `json:"weight_map"` // tensors -> files
	}
	info, err := os.Stat(index)
	if err != nil || info.Size() > indexBytes {
		return []string{indexName}
	}
	data, err := os.ReadFile(index)
	if err != nil || json.Unmarshal(data, &file) != nil {
		return []string{indexName}
	}
	seen := map[string]bool{}
	for _, p := range paths {
		seen[p] = true
	}
	for _, p := range file.Of {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}
