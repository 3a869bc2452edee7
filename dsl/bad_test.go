package dsl

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testVocabulary is as small as the corpus allows.
var testVocabulary = expr.Vocabulary{
	Turn: []expr.Name{
		{Path: "ok", Kind: expr.Bool},
		{Path: "text", Kind: expr.String},
		{Path: "ttft_ms", Kind: expr.Float, Unit: "ms", Aggregate: true},
		{Path: "cache.hit_rate", Kind: expr.Float, Rate: true, Aggregate: true},
	},
	Conversation: []expr.Name{{Path: "requests_failed", Kind: expr.Int}},
	Run:          []expr.Name{{Path: "requests_failed", Kind: expr.Int}},
}

// shippedFiles are the files at the root of the repository.
func shippedFiles(t testing.TB) []File {
	t.Helper()
	var files []File
	for _, name := range []string{"models.yaml", "servers.yaml"} {
		data, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Name: name, Data: data})
	}
	return files
}

func shippedLibrary(t testing.TB) *Library {
	t.Helper()
	lib, diags := LoadLibrary(shippedFiles(t)...)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return lib
}

// TestBadFiles compares everything that is printed about a bad file with its golden file. Every file breaks one rule,
// or several similar ones.
func TestBadFiles(t *testing.T) {
	lib := shippedLibrary(t)
	names, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(names) < 60 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	root, err := os.OpenRoot("testdata/bad")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	known := map[string]bool{}
	for _, c := range Codes {
		known[c.Code] = true
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			diags := Validate(File{Name: filepath.Base(name), Data: data, Dir: root.FS()}, lib, testVocabulary)
			if len(diags) == 0 {
				t.Fatal("nothing is wrong with it")
			}
			for _, d := range diags {
				if !known[d.Code] && !strings.HasPrefix(d.Code, "expr/") {
					t.Errorf("code %s is not listed in Codes", d.Code)
				}
				if lines := bytes.Split(data, []byte("\n")); d.Pos.Line > len(lines) || d.Pos.Line > 0 && d.Pos.Col < 1 {
					t.Errorf("%v is not in the file", d.Pos)
				}
				if d.EndCol != 0 && d.EndCol <= d.Pos.Col {
					t.Errorf("%s ends at column %d, before it starts", d.Code, d.EndCol)
				}
			}
			if !slices.IsSortedFunc(diags, func(a, b syntax.Diagnostic) int {
				if a.Pos.Line != b.Pos.Line {
					return a.Pos.Line - b.Pos.Line
				}
				return a.Pos.Col - b.Pos.Col
			}) {
				t.Error("findings are not in the order of the file")
			}
			var got bytes.Buffer
			if err := diags.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-golden +got)\n%s", diff)
			}
		})
	}
}
