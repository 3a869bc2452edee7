package dsl

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCodesAreListed compares the codes in the source of the language with Codes, in both directions.
func TestCodesAreListed(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range Codes {
		if listed[c.Code] {
			t.Errorf("%s is listed twice", c.Code)
		}
		if c.Doc == "" || strings.HasSuffix(c.Doc, ".") {
			t.Errorf("%s: %q is no explanation", c.Code, c.Doc)
		}
		listed[c.Code] = true
	}
	var files []string
	for _, folder := range []string{".", "syntax", "expr", "transcript"} {
		found, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	literal := regexp.MustCompile(`"((?:yaml|schema|links|expr|plan)/[a-z-]+)"`)
	used := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "codes.go" {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(data), -1) {
			used[m[1]] = true
			if !listed[m[1]] {
				t.Errorf("%s uses code %s, which is not listed", name, m[1])
			}
		}
	}
	for _, c := range Codes {
		if !used[c.Code] && !strings.HasPrefix(c.Code, "schema/") {
			t.Errorf("no code in dsl uses %s", c.Code)
		}
	}
}
