package homellm_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestNightly_Parts checks that GitHub runs every part of .ci/nightly: one that is in no job would never be played.
func TestNightly_Parts(t *testing.T) {
	script, err := os.ReadFile(".ci/nightly")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^parts=\((.+)\)$`).FindSubmatch(script)
	if found == nil {
		t.Fatal(".ci/nightly has no list of parts")
	}
	data, err := os.ReadFile(".github/workflows/nightly.yml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct{ Matrix struct{ Part []string } }
		}
	}
	if err := yaml.Unmarshal(data, &workflow); err != nil {
		t.Fatal(err)
	}
	parts := strings.Fields(string(found[1]))
	if jobs := workflow.Jobs["run"].Strategy.Matrix.Part; !slices.Equal(parts, jobs) {
		t.Errorf("the parts are %v, and the jobs %v", parts, jobs)
	}
}
