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

// holding says which of the files that a spec asks for are in a cache.
type holding struct {
	files      []hub.File // complete files, with their sizes
	missing    []string   // files that a server would miss; "model.safetensors" if there are no weights and no index
	unfinished int64      // bytes in interrupted downloads of such files
}

// whole reports whether a server could load the model.
func (h holding) whole() bool { return len(h.files) > 0 && len(h.missing) == 0 }

// bytes returns the size of the complete files.
func (h holding) bytes() (n int64) {
	for _, f := range h.files {
		n += f.Bytes
	}
	return n
}

// indexName is the file that says which file of a split model has which weights.
const indexName = "model.safetensors.index.json"

// holds looks for the files of a spec in the snapshot of a commit, which any program may have made, and among
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

// missing returns the files that a server would miss, given the files of a model that are here.
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

// indexBytes limits the size of an index; those of the largest models have about 10 MB.
const indexBytes = 64 << 20

// indexed returns the files that an index lists; ok is false if the index cannot be read.
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
