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

var (
	// wanted are the files that a server needs of a repository with safetensors, unwanted those that it does not,
	// whatever they are called.
	wanted   = regexp.MustCompile(`^tokenizer|\.(safetensors|json|txt|model|jinja)$`)
	unwanted = regexp.MustCompile(`\.(bin|pth|pt|gguf|onnx|h5|msgpack|ot|tflite|md|png|jpg|pdf)$|/`)
	// doubled are weights that a repository may have once more as consolidated, for mistral-inference.
	doubled = regexp.MustCompile(`^model.*\.safetensors$`)
)

// pick returns which of a repository's files a spec asks for.
func (s PullSpec) pick(files []File) (picked []File) {
	quant := strings.ToLower(s.Quant)
	twice := slices.ContainsFunc(files, func(f File) bool { return doubled.MatchString(path.Base(f.Path)) })
	for _, f := range files {
		name := strings.ToLower(path.Base(f.Path))
		var keep bool
		switch {
		case len(s.Files) > 0:
			keep = slices.ContainsFunc(s.Files, func(p File) bool { return p.Path == f.Path })
		case s.Format == "gguf":
			// A projector for images goes with a model, and is not one. Words are compared: f16 is not bf16.
			words := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '.' })
			keep = strings.HasSuffix(name, ".gguf") && !strings.HasPrefix(name, "mmproj") &&
				(quant == "" || slices.Contains(words, quant))
		default:
			keep = wanted.MatchString(f.Path) && !unwanted.MatchString(f.Path) &&
				(!twice || !strings.HasPrefix(f.Path, "consolidated"))
		}
		if keep {
			picked = append(picked, f)
		}
	}
	return picked
}

// partOf is how the parts of a split file end.
var partOf = regexp.MustCompile(`-(\d{5})-of-(\d{5})(\.gguf|\.safetensors)$`)

// mostParts bounds the parts that are listed as missing: names from a hub can claim 99,999 each.
const mostParts = 10_000

// absent lists the parts of split files that are not among the files.
func absent(files []File) (out []string) {
	seen := map[string]bool{}
	for _, f := range files {
		seen[f.Path] = true
	}
	for _, f := range files {
		m := partOf.FindStringSubmatch(f.Path)
		if m == nil {
			continue
		}
		stem := strings.TrimSuffix(f.Path, m[0])
		n, _ := strconv.Atoi(m[2]) // digits alone
		if seen[stem+m[2]+m[3]] {  // the parts of one file are counted once
			continue
		}
		seen[stem+m[2]+m[3]] = true
		for i := range min(n, mostParts-len(out)) {
			if part := fmt.Sprintf("%s-%05d-of-%s%s", stem, i+1, m[2], m[3]); !seen[part] {
				out = append(out, part)
			}
		}
	}
	return out
}

// choose selects the files of a repository that a spec asks for, small ones first: what is wrong with
// the account or the name shows early, and a server can read the configuration.
func (s PullSpec) choose(listed []File) ([]File, error) {
	for _, want := range s.Files {
		i := slices.IndexFunc(listed, func(f File) bool { return f.Path == want.Path })
		if i < 0 {
			return nil, fmt.Errorf("%s at %s has no file %s", s.Repo, s.Revision, want.Path)
		}
		if bad := listed[i].contradicts(want); bad != "" {
			return nil, fmt.Errorf("%s %s, says the hub: the revision is not the one that was pinned", want.Path, bad)
		}
	}
	picked := s.pick(listed)
	if len(s.Files) == 0 && s.Format == "gguf" {
		whole := map[string]bool{}
		for _, f := range picked {
			whole[partOf.ReplaceAllString(f.Path, "$3")] = true
		}
		if len(whole) != 1 {
			return nil, s.ambiguous(picked, PullSpec{Format: "gguf"}.pick(listed))
		}
	}
	if len(picked) == 0 {
		format := cmp.Or(s.Format, "safetensors")
		return nil, fmt.Errorf("%s has no %s files; name them in the models file", s.Repo, format)
	}
	slices.SortStableFunc(picked, func(a, b File) int { return cmp.Compare(a.Bytes, b.Bytes) })
	return picked, nil
}

// ambiguous is the error of a spec that names not one GGUF file, whole or in parts.
func (s PullSpec) ambiguous(picked, all []File) *Error {
	names := func(files []File) (list string) {
		for _, f := range files {
			list += ", " + f.Path
		}
		return strings.TrimPrefix(list, ", ")
	}
	why := fmt.Sprintf("none is named %q", s.Quant)
	switch {
	case len(all) == 0:
		return &Error{Why: s.Repo + " has no GGUF files", Hint: "name the repository of another source in a models file"}
	case s.Quant == "":
		why = "nothing says which"
	case len(picked) > 0:
		why = fmt.Sprintf("more than one is named %q: %s", s.Quant, names(picked))
	}
	why = fmt.Sprintf("%s has %d GGUF files, and %s", s.Repo, len(all), why)
	return &Error{Why: why, Hint: "choose one with --file: " + names(all)}
}
