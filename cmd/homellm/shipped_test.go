package main

import (
	"testing"

	"homellm/engine/files"
)

// TestShippedProfiles_KnowTheirCaches: without a block size in the profile, every run would have to find it with
// prompts of 2,200 tokens.
func TestShippedProfiles_KnowTheirCaches(t *testing.T) {
	for name, block := range map[string]int{"llamacpp": 1, "llamacpp-router": 1, "sglang": 1, "sim": 16} {
		s := files.ShippedLibrary().Server(name)
		if s == nil {
			t.Errorf("%s: there is no such profile", name)
			continue
		}
		if c := s.Capabilities; c.BlockTokens != block || c.Metrics == "" {
			t.Errorf("%s: blocks of %d tokens and metrics at %q, want %d and a path", name, c.BlockTokens, c.Metrics, block)
		}
	}
}
