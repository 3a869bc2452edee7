package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homellm/engine/baseline"
	"homellm/engine/compare"
	"homellm/engine/metrics"
)

// The gates file of docs/gates.md is copied by new users: it is valid, and with it no other model,
// machine or scenario passes.
func TestGatesDoc_LetsNothingElsePass(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "gates.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "```yaml\n# yaml-language-server: $schema=../schema/gates.v1.json\n")
	text, _, ended := strings.Cut(text, "```")
	if !found || !ended {
		t.Fatal("docs/gates.md shows no gates file")
	}
	path := filepath.Join(t.TempDir(), "gates.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rules, err := baseline.Rules(path)
	if err != nil {
		t.Fatal(err)
	}
	made := compare.Fingerprint{}
	for _, key := range compare.MatchKeys() {
		made[key] = "this"
	}
	side := func(f compare.Fingerprint) compare.Source {
		return compare.Source{Fingerprint: f, Sample: func(path string) metrics.Sample { return metrics.Sample{Path: path} }}
	}
	comparable := func(other compare.Fingerprint) bool {
		return rules.Compare("x", side(made), side(other), time.Time{}).Comparable()
	}
	if !comparable(maps.Clone(made)) {
		t.Error("the same thing does not match")
	}
	for _, key := range []string{"model", "model.revision", "gpu.name", "driver.version", "server.engine",
		"scenario.digest"} {
		other := maps.Clone(made)
		if other[key] = "another"; comparable(other) {
			t.Errorf("another %s passes", key)
		}
		if delete(other, key); key != "scenario.digest" && comparable(other) {
			t.Errorf("an unknown %s passes", key)
		}
	}
}
