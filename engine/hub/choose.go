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

// mostParts bounds the parts that are looked for: names from a hub can claim 99,999 each.
const mostParts = 10_000

// parts are the names of all parts of the split files among the files.
func parts(files []File) (names []string) {
	done := map[string]bool{}
	for _, f := range files {
		m := partOf.FindStringSubmatch(f.Path)
		whole := partOf.ReplaceAllString(f.Path, "-of-$2$3")
		if m == nil || done[whole] {
			continue
		}
		done[whole] = true
		n, _ := strconv.Atoi(m[2]) // digits alone
		for i := range min(n, mostParts-len(names)) {
			names = append(names, fmt.Sprintf("%s-%05d-of-%s%s", strings.TrimSuffix(f.Path, m[0]), i+1, m[2], m[3]))
		}
	}
	return names
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
	names := func(files []File) string {
		var list []string
		for _, f := range files {
			list = append(list, f.Path)
		}
		return strings.Join(list, ", ")
	}
	if len(all) == 0 {
		return &Error{s.Repo + " has no GGUF files", "name the repository of another source in a models file"}
	}
	why := "nothing says which"
	if s.Quant != "" && len(picked) > 0 {
		why = fmt.Sprintf("more than one is named %q: %s", s.Quant, names(picked))
	} else if s.Quant != "" {
		why = fmt.Sprintf("none is named %q", s.Quant)
	}
	return &Error{fmt.Sprintf("%s has %d GGUF files, and %s", s.Repo, len(all), why),
		"choose one with --file: " + names(all)}
}
