package catalog

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"homellm/engine/hub"
)

// holding is what a cache has of what a spec asks for.
type holding struct {
	files      []hub.File // whole, with their sizes
	missing    []string   // what a server would miss; of safetensors that no index lists, "model.safetensors"
	unfinished int64      // bytes of interrupted downloads of such files
}

// whole says whether a server can be given it.
func (h holding) whole() bool { return len(h.files) > 0 && len(h.missing) == 0 }

// bytes is the size of the whole files.
func (h holding) bytes() (n int64) {
	for _, f := range h.files {
		n += f.Bytes
	}
	return n
}

// indexName is the file that says which weights are where in a split model.
const indexName = "model.safetensors.index.json"

// holds looks for what a spec asks for in the snapshot of a commit, which any program may have made, and among
// interrupted downloads.
func holds(cache hub.Cache, s spec, commit string) (h holding) {
	for _, f := range cache.Interrupted(s.repo) {
		if len(s.pick([]hub.File{f})) > 0 {
			h.unfinished += f.Bytes
		}
	}
	if len(s.files) > 0 {
		h.files, h.missing = cache.Present(s.repo, commit, s.files)
		return h
	}
	h.files = s.pick(cache.Files(s.repo, commit))
	h.missing = missing(cache.Snapshot(s.repo, commit), h.files, s.format)
	return h
}

// missing is what a server would miss of a model that has these files.
func missing(root string, files []hub.File, format string) []string {
	here, want := map[string]bool{}, parts(files)
	for _, f := range files {
		here[f.Path], here[path.Ext(f.Path)] = true, true
		here["consolidated"] = here["consolidated"] || strings.HasPrefix(f.Path, "consolidated")
	}
	if format != "gguf" && !here["consolidated"] {
		want = append(want, "config.json")
	}
	kind := "." + cmp.Or(format, "safetensors")
	if here[indexName] {
		listed, ok := indexed(filepath.Join(root, indexName))
		here[indexName] = ok
		want = append(want, append(listed, indexName)...)
	} else if !here[kind] {
		want = append(want, "model"+kind)
	}
	want = slices.DeleteFunc(want, func(p string) bool { return here[p] })
	slices.Sort(want)
	return slices.Compact(want)
}

// indexBytes bounds an index that is read; those of the largest models have some 10 MB.
const indexBytes = 64 << 20

// indexed are the files that an index promises; ok is false if it cannot be read.
func indexed(index string) (files []string, ok bool) {
	var file struct {
		Of map[string]string `json:"weight_map"` // tensors -> files
	}
	f, err := os.Open(index)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	err = json.NewDecoder(io.LimitReader(f, indexBytes)).Decode(&file)
	return slices.Collect(maps.Values(file.Of)), err == nil
}
