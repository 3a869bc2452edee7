package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Files of earlier versions stay valid: a field may be added to a version of the schema, but no
// field that an older file lacks may be asked for, and none that it has may change or go away.
// Each release adds its files to testdata/older.
func TestOlderFilesStayValid(t *testing.T) {
	for _, kind := range []string{"result", "compare", "baseline"} {
		for _, path := range older(t, kind+".v*.json") {
			version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), kind+"."), "-")
			schema, err := jsonschema.Compile(filepath.Join("..", "..", "schema", kind+"."+version+".json"))
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
			if doc["schema"] != "homellm."+kind+"/"+version {
				t.Errorf("%s says that it is %v", path, doc["schema"])
			}
			if err := schema.Validate(doc); err != nil {
				t.Errorf("%s: %#v", path, err)
			}
			if kind == "baseline" {
				if _, err := compare.ReadBaseline(raw); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
		}
	}
}

// A reader of an older table finds its columns where they were: new ones come behind them.
func TestOlderColumnsStay(t *testing.T) {
	for kind, name := range map[string]string{"turns": "csv", "summary": "summary"} {
		now, _, _ := strings.Cut(render(t, format(t, name), replay(t, "failing"), Options{}), "\n")
		for _, path := range older(t, kind+".v1-*.csv") {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			head, _, _ := strings.Cut(string(raw), "\n")
			if head = strings.TrimRight(head, "\r"); !strings.HasPrefix(now+",", head+",") {
				t.Errorf("%s begins with\n%s\nand now it is\n%s", path, head, now)
			}
		}
	}
}

// What readers of older JUnit files rely on is there still: the same cases under the same names.
func TestOlderJUnitStays(t *testing.T) {
	now := readJUnit(t, render(t, format(t, "junit"), replay(t, "failing"), Options{}))
	for _, path := range older(t, "junit-*.xml") {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		was := readJUnit(t, string(raw))
		if len(was.Suites) != len(now.Suites) || was.readCounts != now.readCounts {
			t.Fatalf("%s: %+v, now %+v", path, was.readCounts, now.readCounts)
		}
		for i, s := range was.Suites {
			for k, c := range s.Cases {
				n := now.Suites[i].Cases[k]
				if c.Name != n.Name || c.Class != n.Class || (c.Failure == nil) != (n.Failure == nil) ||
					(c.Error == nil) != (n.Error == nil) {
					t.Errorf("%s: %s %s is %s %s now", path, c.Class, c.Name, n.Class, n.Name)
				}
			}
		}
	}
}

func older(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "older", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no older files %s (%v)", pattern, err)
	}
	return files
}

// A comparison follows its schema, which asks for everything that is always there.
func TestCompareJSON_FollowsItsSchema(t *testing.T) {
	schema, err := jsonschema.Compile(filepath.Join("..", "..", "schema", "compare.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	before, after := replay(t, "passing"), slower()
	full := judged(compare.Measured(before.Cells[0], "a"), compare.Measured(after.Cells[0], "b"),
		gate("after", "phases.after_removal.ttft_ms"), gate("nothing", "steps.nothing.ttft_ms"))
	missing := compare.Comparison{Pairs: []compare.Pair{{Cell: "c", Missing: "no baseline"}}}
	for name, c := range map[string]compare.Comparison{"full": full, "missing": missing, "empty": {}} {
		var doc map[string]any
		if err := json.Unmarshal([]byte(compareAs(t, "json", c)), &doc); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %#v", name, err)
		}
		for key := range doc {
			value := doc[key]
			delete(doc, key)
			if schema.Validate(doc) == nil {
				t.Errorf("%s: the schema does not ask for %q", name, key)
			}
			doc[key] = value
		}
		doc["surprise"] = true
		if schema.Validate(doc) == nil {
			t.Error("the schema takes what it does not know")
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
		if _, code, _ := r.Outcome(); code != exit.Requests || len(r.Cells) != 1 || len(r.Cells[0].Requests) != 20 {
			t.Errorf("%s: code %d, %d cells", path, code, len(r.Cells))
		}
	}
}
