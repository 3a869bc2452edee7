package main

import (
	"homellm/dsl"
	"homellm/engine/catalog"
	"homellm/engine/hub"
	"homellm/engine/tokens"
)

// catalog opens the known models, and their downloads.
func (p process) catalog(f libraryFlags) (*catalog.Catalog, error) {
	lib, err := f.load(p)
	if err != nil {
		return nil, err
	}
	return catalog.Open(lib, p.getenv, p.home(), "homellm/"+version())
}

func (p process) downloads() hub.Cache { return hub.CacheFromEnv(p.getenv, p.home()) }

// tokenizer finds the tokeniser of a model among the downloads.
func (p process) tokenizer(m *dsl.Model) *tokens.Counter { return catalog.Tokenizer(p.downloads(), m) }
