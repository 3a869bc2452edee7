package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Results of earlier versions stay valid: a field may be added to a version of the schema, but no
// field that an older file lacks may be asked for, and none that it has may change or go away.
// Each release adds its result.json and its journal to testdata/older.
func TestOlderResultsStayValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "older", "result.v*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no older results (%v)", err)
	}
	for _, path := range files {
		version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "result."), "-")
		schema, err := jsonschema.Compile(filepath.Join("..", "..", "schema", "result."+version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		if doc["schema"] != "homellm.result/"+version {
			t.Errorf("%s says that it is %v", path, doc["schema"])
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %#v", path, err)
		}
	}
}

// Journals of earlier versions can be read and shown in every format.
func TestOlderJournalsStayReadable(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "older", "journal.v*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no older journals (%v)", err)
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r := &metrics.Run{}
		for e, err := range event.Read(f) {
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			r.Add(e)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for _, form := range Formats {
			if render(t, form, r, Options{}) == "" {
				t.Errorf("%s as %s says nothing", path, form.Name)
			}
		}
		if _, code, _ := r.Outcome(); code != metrics.ExitRequests || len(r.Cells) != 1 || len(r.Cells[0].Requests) != 20 {
			t.Errorf("%s: code %d, %d cells", path, code, len(r.Cells))
		}
	}
}
