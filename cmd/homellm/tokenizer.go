package main

import (
	"cmp"
	"path/filepath"

	"homellm/dsl"
	"homellm/engine/hub"
	"homellm/engine/tokens"
)

// tokenizer finds the tokeniser of a model in the cache of downloads; nil if it is not
// there, or of a kind that is not known. An estimate is made then, and labelled so.
func (p process) tokenizer(m *dsl.Model) *tokens.Counter {
	cache := hub.CacheFromEnv(p.getenv, p.home())
	for _, source := range m.Sources {
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
