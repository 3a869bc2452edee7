package hub

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// wanted are the files that a server needs of a repository with safetensors.
var wanted = []string{"*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "tokenizer*"}

// unwanted are those that it does not need, whatever they are called.
var unwanted = []string{
	"*.bin", "*.pth", "*.pt", "*.gguf", "*.onnx", "*.h5", "*.msgpack", "*.ot", "*.tflite",
	"*.md", "*.png", "*.jpg", "*.pdf",
}

// pick returns which of a repository's paths a spec asks for.
func (s PullSpec) pick(paths []string) []string {
	var keep func(p string) bool
	switch {
	case len(s.Files) > 0:
		promised := map[string]bool{}
		for _, f := range s.Files {
			promised[f.Path] = true
		}
		keep = func(p string) bool { return promised[p] }
	case s.Format == "gguf":
		quant := strings.ToLower(s.Quant)
		keep = func(p string) bool {
			name := strings.ToLower(path.Base(p))
			// A projector for images goes with a model, and is not one.
			return strings.HasSuffix(name, ".gguf") && !strings.HasPrefix(name, "mmproj") &&
				(quant == "" || quantised(name, quant))
		}
	default:
		// Files called consolidated are the same weights once more, as mistral-inference has them.
		twice := slices.ContainsFunc(paths, func(p string) bool { return matches([]string{"model*.safetensors"}, p) })
		keep = func(p string) bool {
			return !strings.Contains(p, "/") && matches(wanted, p) && !matches(unwanted, p) &&
				(!twice || !strings.HasPrefix(p, "consolidated"))
		}
	}
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return !keep(p) })
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, path.Base(name))
		return ok
	})
}

// quantised says whether a name has a quantisation as one of its words: f16 is not bf16, q4_k is not q4_k_m.
func quantised(name, quant string) bool {
	return slices.Contains(strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '.' }), quant)
}

// partOf is how the parts of a split file end.
var partOf = regexp.MustCompile(`-(\d{5})-of-(\d{5})(\.gguf|\.safetensors)$`)

// mostParts bounds the parts that are listed as missing: names from a hub can claim 99,999 each.
const mostParts = 10_000

// absent lists the parts of split files that are not among the paths.
func absent(paths []string) (out []string) {
	seen := map[string]bool{}
	for _, p := range paths {
		seen[p] = true
	}
	for _, p := range paths {
		m := partOf.FindStringSubmatchIndex(p)
		if m == nil || seen[p[:m[2]]+p[m[3]:]] {
			continue
		}
		seen[p[:m[2]]+p[m[3]:]] = true     // the parts of one file are counted once
		n, _ := strconv.Atoi(p[m[4]:m[5]]) // digits alone
		for i := range min(n, mostParts-len(out)) {
			if part := fmt.Sprintf("%s%05d%s", p[:m[2]], i+1, p[m[3]:]); !seen[part] {
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
func choose(l listing, spec PullSpec) ([]Remote, error) {
	at := map[string]Remote{}
	var paths, all []string
	for _, f := range l.files {
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
			return nil, fmt.Errorf("%s at %s has no file %s", spec.Repo, l.commit, want.Path)
		case differs(f.Etag, want.SHA256):
			return nil, fmt.Errorf("%s: the hub announces hash %s, the models file wants %s: "+
				"the revision is not the one that was pinned", want.Path, f.Etag, want.SHA256)
		case want.Bytes > 0 && f.Bytes != want.Bytes:
			return nil, fmt.Errorf("%s: the hub announces %d bytes, the models file wants %d",
				want.Path, f.Bytes, want.Bytes)
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
		format := cmp.Or(spec.Format, "safetensors")
		return nil, fmt.Errorf("%s has no %s files; name them in the models file", spec.Repo, format)
	}
	var out []Remote
	for _, p := range picked {
		out = append(out, at[p])
	}
	slices.SortStableFunc(out, func(a, b Remote) int { return cmp.Compare(a.Bytes, b.Bytes) })
	return out, nil
}
