package hub

import (
	"cmp"
	"encoding/json"
	"io"
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
	Files      []File   // whole, with their sizes
	Missing    []string // what a server would miss; of safetensors that no index lists, "model.safetensors"
	Unfinished int64    // bytes of interrupted downloads of such files
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
	h := Held{Unfinished: c.interrupted(spec)}
	here := c.files(spec.Repo, commit)
	for _, want := range spec.Files {
		i := slices.IndexFunc(here, func(f File) bool { return f.Path == want.Path })
		if i < 0 {
			h.Missing = append(h.Missing, want.Path)
		} else if here[i].contradicts(want) != "" {
			h.Missing = append(h.Missing, want.Path)
			here = slices.Delete(here, i, i+1)
		}
	}
	h.Files = spec.pick(here)
	if len(spec.Files) == 0 {
		h.Missing = missing(c.Snapshot(spec.Repo, commit), h.Files, spec.Format)
	}
	return h
}

// files are the files of a commit's snapshot. What cannot be read is not there.
func (c Cache) files(repo, commit string) (files []File) {
	if commit == "" {
		return nil
	}
	root := c.Snapshot(repo, commit)
	_ = filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		info, e := os.Stat(p)
		rel, _ := filepath.Rel(root, p) // p begins with root
		if err == nil && e == nil && info.Mode().IsRegular() {
			files = append(files, File{filepath.ToSlash(rel), info.Size(), hashOfName(p)})
		}
		return nil
	})
	return files
}

// hashOfName is the hash in the name of the file that a link leads to; "" if there is none.
func hashOfName(link string) string {
	target, _ := os.Readlink(link)
	if name := filepath.Base(target); hashName.MatchString(name) {
		return name
	}
	return ""
}

// interrupted is how many bytes of interrupted downloads of what a spec asks for are there.
func (c Cache) interrupted(spec PullSpec) (bytes int64) {
	blobs, _ := os.ReadDir(c.blob(spec.Repo, ""))
	for _, b := range blobs {
		p, err := os.ReadFile(c.blob(spec.Repo, b.Name()) + pathSuffix)
		info, gone := b.Info()
		if err == nil && gone == nil && len(spec.pick([]File{{Path: string(p)}})) > 0 {
			bytes += info.Size()
		}
	}
	return bytes
}

// missing is what a server would miss of a model that has these files.
func missing(root string, files []File, format string) []string {
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
