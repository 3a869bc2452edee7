package hub

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unwanted are the files that no server needs of a repository with safetensors.
var unwanted = []string{"*.bin", "*.pth", "*.pt", "*.gguf", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.tflite", "*.md", "*.png", "*.jpg", "*.pdf"}

// wanted are the files that a server needs.
var wanted = []string{"*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "tokenizer*"}

// pick returns which of a repository's paths a spec asks for.
func (s PullSpec) pick(paths []string) []string {
	both := slices.ContainsFunc(paths, func(p string) bool { ok, _ := path.Match("model*.safetensors", p); return ok })
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		switch {
		case len(s.Files) > 0:
			return !slices.ContainsFunc(s.Files, func(f File) bool { return f.Path == p })
		case s.Format == "gguf":
			name := strings.ToLower(path.Base(p))
			// A projector for images goes with a model, and is not one.
			return !strings.HasSuffix(name, ".gguf") || strings.HasPrefix(name, "mmproj") || s.Quant != "" && !quantised(name, strings.ToLower(s.Quant))
		case both && strings.HasPrefix(p, "consolidated"):
			return true // the same weights once more, as mistral-inference has them
		}
		return strings.Contains(p, "/") || !matches(wanted, p) || matches(unwanted, p)
	})
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, path.Base(name))
		return ok
	})
}

// quantised says whether a name has a quantisation as one of its words: f16 is no bf16, q4_k no q4_k_m.
func quantised(name, quant string) bool {
	return slices.Contains(strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '.' }), quant)
}

// partOf is how the parts of a split file end.
var partOf = regexp.MustCompile(`-(\d{5})-of-(\d{5})(\.gguf|\.safetensors)$`)

// absent lists the parts of split files that are not among the paths.
func absent(paths []string) (out []string) {
	for _, p := range paths {
		m := partOf.FindStringSubmatchIndex(p)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(p[m[4]:m[5]]) // digits alone
		for i := range n {
			if part := fmt.Sprintf("%s%05d%s", p[:m[2]], i+1, p[m[3]:]); !slices.Contains(paths, part) && !slices.Contains(out, part) {
				out = append(out, part)
			}
		}
	}
	return out
}

// NoChoice says that a spec names not one GGUF file, whole or in parts, of a repository.
type NoChoice struct {
	Repo, Quant string
	Picked      []string // what Quant names
	GGUF        []string // what there is
}

func (e *NoChoice) Error() string {
	text := fmt.Sprintf("%s has %d GGUF files", e.Repo, len(e.GGUF))
	switch {
	case len(e.GGUF) == 0:
		return e.Repo + " has no GGUF files"
	case e.Quant == "":
		return text + ", and nothing says which"
	case len(e.Picked) > 0:
		return fmt.Sprintf("%s, and more than one is named %q: %s", text, e.Quant, strings.Join(e.Picked, ", "))
	}
	return fmt.Sprintf("%s, and none is named %q", text, e.Quant)
}

// choose selects the files of a listing that a spec asks for, small ones first: what is wrong with
// the account or the name shows early, and a server can read the configuration.
func choose(l Listing, spec PullSpec) ([]Remote, error) {
	at := map[string]Remote{}
	var paths, all []string
	for _, f := range l.Files {
		at[f.Path] = f
		paths = append(paths, f.Path)
		if strings.HasSuffix(f.Path, ".gguf") {
			all = append(all, f.Path)
		}
	}
	for _, want := range spec.Files {
		f, ok := at[want.Path]
		switch {
		case !ok:
			return nil, fmt.Errorf("%s at %s has no file %s", spec.Repo, l.Commit, want.Path)
		case differs(f.Etag, want.SHA256):
			return nil, fmt.Errorf("%s: the hub announces hash %s, the models file wants %s: the revision is not the one that was pinned", want.Path, f.Etag, want.SHA256)
		case want.Bytes > 0 && f.Bytes != want.Bytes:
			return nil, fmt.Errorf("%s: the hub announces %d bytes, the models file wants %d", want.Path, f.Bytes, want.Bytes)
		}
	}
	picked := spec.pick(paths)
	if len(spec.Files) == 0 && spec.Format == "gguf" {
		whole := map[string]bool{}
		for _, p := range picked {
			whole[partOf.ReplaceAllString(p, "$3")] = true
		}
		if len(whole) != 1 {
			return nil, &NoChoice{spec.Repo, spec.Quant, picked, all}
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("%s has no %s files; name them in the models file", spec.Repo, cmp.Or(spec.Format, "safetensors"))
	}
	var out []Remote
	for _, p := range picked {
		out = append(out, at[p])
	}
	slices.SortStableFunc(out, func(a, b Remote) int { return cmp.Compare(a.Bytes, b.Bytes) })
	return out, nil
}

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

// Holds looks for what a spec asks for in the snapshot of a commit, whoever put it there, and among
// interrupted downloads.
func (c Cache) Holds(spec PullSpec, commit string) Held {
	root := c.Snapshot(spec.Repo, commit)
	size := map[string]int64{}
	var paths []string
	if commit == "" {
		root = "" // nothing is there
	}
	_ = filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if info, e := os.Stat(p); err == nil && e == nil && info.Mode().IsRegular() {
			if rel, e := filepath.Rel(root, p); e == nil {
				rel = filepath.ToSlash(rel)
				paths, size[rel] = append(paths, rel), info.Size()
			}
		}
		return nil // what cannot be read is not here
	})
	var h Held
	paths = spec.pick(paths)
	for _, f := range spec.Files {
		if n, ok := size[f.Path]; !ok || f.Bytes > 0 && n != f.Bytes || differs(etagOf(c.link(spec.Repo, commit, f.Path)), f.SHA256) {
			h.Missing = append(h.Missing, f.Path)
			paths = slices.DeleteFunc(paths, func(p string) bool { return p == f.Path })
		}
	}
	for _, p := range paths {
		h.Files = append(h.Files, File{Path: p, Bytes: size[p]})
	}
	if len(spec.Files) == 0 {
		h.Missing = missing(root, paths, spec.Format)
	}
	blobs, _ := os.ReadDir(filepath.Join(c.repo(spec.Repo), "blobs"))
	for _, b := range blobs {
		part, ok := strings.CutSuffix(b.Name(), partSuffix)
		if !ok {
			continue
		}
		if p, _, ok := readPlan(c.blob(spec.Repo, part) + partSuffix + doneSuffix); ok && len(spec.pick([]string{p.Path})) > 0 {
			if info, err := b.Info(); err == nil {
				h.Interrupted = true
				h.Unfinished += allocated(info)
			}
		}
	}
	return h
}

// missing is what a server would miss of a model that has these files.
func missing(root string, paths []string, format string) []string {
	out := absent(paths)
	mistral := slices.ContainsFunc(paths, func(p string) bool { return strings.HasPrefix(p, "consolidated") })
	if format != "gguf" && !mistral && !slices.Contains(paths, "config.json") {
		out = append(out, "config.json")
	}
	if !slices.Contains(paths, indexName) {
		weights := "model." + cmp.Or(format, "safetensors")
		if !slices.ContainsFunc(paths, func(p string) bool { return path.Ext(p) == path.Ext(weights) }) {
			out = append(out, weights)
		}
		slices.Sort(out)
		return out
	}
	var index struct {
		Of map[string]string `json:"weight_map"` // tensors -> files
	}
	data, err := os.ReadFile(filepath.Join(root, indexName))
	if err != nil || json.Unmarshal(data, &index) != nil {
		return append(out, indexName)
	}
	for _, p := range index.Of {
		if !slices.Contains(paths, p) && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}
