package catalog

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"homellm/dsl"
	"homellm/engine/hub"
	"homellm/engine/tokens"
)

// Tokenizer finds the tokeniser of a model among the downloads; nil if it is missing, or of an unsupported kind.
// Tokens are then estimated, and labelled so.
func Tokenizer(cache hub.Cache, m *dsl.Model) *tokens.Counter {
	for _, source := range m.Sources {
		if source.Path != "" {
			if t, err := tokens.Load(filepath.Join(source.Path, cmp.Or(m.Tokenizer, "tokenizer.json"))); err == nil {
				return t.Counter()
			}
			continue
		}
		commit := cache.Commit(source.Repo, source.Revision)
		name := cmp.Or(m.Tokenizer, "tokenizer.json")
		if commit == "" {
			continue
		}
		if t, err := tokens.Load(filepath.Join(cache.Snapshot(source.Repo, commit), name)); err == nil {
			return t.Counter()
		}
	}
	return nil
}

// File finds a model's file for an engine: at the path in a models file, or among the downloads.
func File(cache hub.Cache, m *dsl.Model, engine string) (string, error) {
	e := m.Engines[engine]
	if _, err := os.Stat(e.File); err == nil {
		return e.File, nil
	}
	i := slices.IndexFunc(m.Sources, func(src *dsl.ModelSource) bool { return src.Name == e.Source })
	if i >= 0 {
		src := m.Sources[i]
		if src.Path != "" {
			return "", fmt.Errorf("there is no %s on this machine", e.File)
		}
		commit := cache.Commit(src.Repo, src.Revision)
		path := filepath.Join(cache.Snapshot(src.Repo, commit), e.File)
		if _, err := os.Stat(path); commit != "" && err == nil {
			return path, nil
		}
	}
	return "", missingFile{e.File, m.Name, e.Source}
}

// missingFile says that a model was not downloaded.
type missingFile struct{ file, model, source string }

func (e missingFile) Error() string {
	return e.file + " is neither here nor among the downloaded models"
}

// Hint says where to get the file.
func (e missingFile) Hint() string {
	if e.source == "" {
		return "write its path as engines.llamacpp.file in your own models.yaml (model " + e.model + ")"
	}
	return "homellm models pull " + e.model + " --source " + e.source +
		", or write its path as engines.llamacpp.file in your own models.yaml"
}
