package catalog

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/hub"
)

// spec says which files of a repository an offer consists of.
type spec struct {
	repo     string     // organisation/model
	revision string     // a commit, a branch or a tag; empty: main
	format   string     // safetensors or gguf: chooses the files if the field files is empty; empty: safetensors
	quant    string     // chooses among GGUF files if the field files is empty; empty: there is only one
	files    []hub.File // exactly these; empty: all of format
}

// pull returns the spec of a pull that fetches it.
func (s spec) pull() hub.PullSpec {
	return hub.PullSpec{Repo: s.repo, Revision: s.revision, Files: s.files, Choose: s.choose}
}

var (
	// wanted are the files that a server needs of a repository with safetensors, unwanted those that it does not,
	// whatever they are called.
	wanted   = regexp.MustCompile(`^tokenizer|\.(safetensors|json|txt|model|jinja)$`)
	unwanted = regexp.MustCompile(`\.(bin|pth|pt|gguf|onnx|h5|msgpack|ot|tflite|md|png|jpg|pdf)$|/`)
	// doubled are weights that a repository may have once more as consolidated, for mistral-inference.
	doubled = regexp.MustCompile(`^model.*\.safetensors$`)
)

// pick returns which of a repository's files a spec asks for.
func (s spec) pick(files []hub.File) (picked []hub.File) {
	quant := strings.ToLower(s.quant)
	twice := slices.ContainsFunc(files, func(f hub.File) bool { return doubled.MatchString(path.Base(f.Path)) })
	for _, f := range files {
		name := strings.ToLower(path.Base(f.Path))
		var keep bool
		switch {
		case len(s.files) > 0:
			keep = slices.ContainsFunc(s.files, func(w hub.File) bool { return w.Path == f.Path })
		case s.format == "gguf":
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

// choose returns the files of a repository that a server needs.
func (s spec) choose(listed []hub.File) ([]hub.File, error) {
	picked := s.pick(listed)
	if s.format == "gguf" {
		whole := map[string]bool{}
		for _, f := range picked {
			whole[partOf.ReplaceAllString(f.Path, "$3")] = true
		}
		if len(whole) != 1 {
			return nil, s.ambiguous(picked, spec{format: "gguf"}.pick(listed))
		}
	}
	if len(picked) == 0 {
		format := cmp.Or(s.format, "safetensors")
		return nil, fmt.Errorf("%s has no %s files; name them in the models file", s.repo, format)
	}
	return picked, nil
}

// ambiguous is the error of a spec that names not one GGUF file, whole or in parts.
func (s spec) ambiguous(picked, all []hub.File) error {
	names := func(files []hub.File) string {
		var list []string
		for _, f := range files {
			list = append(list, f.Path)
		}
		return strings.Join(list, ", ")
	}
	why := "nothing says which"
	switch {
	case len(all) == 0:
		return exit.Errorf(exit.Environment, "name the repository of another source in a models file",
			"%s has no GGUF files", s.repo)
	case s.quant != "" && len(picked) > 0:
		why = fmt.Sprintf("more than one is named %q: %s", s.quant, names(picked))
	case s.quant != "":
		why = fmt.Sprintf("none is named %q", s.quant)
	}
	return exit.Errorf(exit.Environment, "choose one with --file: "+names(all), "%s has %d GGUF files, and %s", s.repo,
		len(all), why)
}

// partOf matches the end of the names of a split file's parts.
var partOf = regexp.MustCompile(`-(\d{5})-of-(\d{5})(\.gguf|\.safetensors)$`)

// mostParts limits the parts that are looked for: a single name from a hub can claim 99,999.
const mostParts = 10_000

// parts returns the names of all parts of the split files among the files.
func parts(files []hub.File) (names []string) {
	done := map[string]bool{}
	for _, f := range files {
		m := partOf.FindStringSubmatch(f.Path)
		whole := partOf.ReplaceAllString(f.Path, "-of-$2$3")
		if m == nil || done[whole] {
			continue
		}
		done[whole] = true
		n, _ := strconv.Atoi(m[2]) // only digits
		for i := range min(n, mostParts-len(names)) {
			names = append(names, fmt.Sprintf("%s-%05d-of-%s%s", strings.TrimSuffix(f.Path, m[0]), i+1, m[2], m[3]))
		}
	}
	return names
}
