package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"homellm/engine/event"
	"homellm/schema"
)

// areEvents checks a file of events against the schema of their lines: areEvents FILE RUNS
func areEvents(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: areEvents FILE RUNS")
	}
	runs := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var doc any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			ts.Fatalf("%s: %v", line, err)
		}
		for _, p := range schema.Validate("event", doc) {
			ts.Fatalf("%s\n%s %s: %s", line, strings.Join(p.Path, "."), p.Key, p.Message)
		}
		if doc.(map[string]any)["kind"] == "run_done" {
			runs++
		}
	}
	if fmt.Sprint(runs) != args[1] {
		ts.Fatalf("%d runs, want %s", runs, args[1])
	}
}

// bodies has one event of each kind.
var bodies = []event.Body{event.RunStarted{}, event.CellPlanned{}, event.CellStarted{}, event.Request{},
	event.Verdict{}, event.Attained{}, event.CellDone{}, event.CellFailed{}, event.RoundDone{}, event.Note{},
	event.Sample{}, event.ColdPrompts{}, event.Facts{}, event.Windows{}, event.SinceLast{}, event.RunDone{}}

// The schema of events has the same keys and the same version as the program's events.
func TestEventSchema(t *testing.T) {
	var root struct {
		Properties  map[string]struct{ Enum []string }
		OneOf       []struct{ Properties map[string]map[string]string }
		Definitions map[string]map[string]any
	}
	if err := json.Unmarshal(schema.Source("event"), &root); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != len(root.Properties["kind"].Enum) || len(bodies) != len(root.OneOf) {
		t.Errorf("%d kinds of events, the schema has %v", len(bodies), root.Properties["kind"].Enum)
	}
	if got, want := schema.Name("event"), fmt.Sprintf("event.v%d.json", event.Version); got != want {
		t.Errorf("the schema is %s, the events are those of %s", got, want)
	}
	for i, b := range bodies {
		at := root.OneOf[i].Properties
		kind := strings.TrimPrefix(at["body"]["$ref"], "#/definitions/")
		if at["kind"]["const"] != kind || root.Properties["kind"].Enum[i] != kind {
			t.Errorf("%s has the body %s", at["kind"]["const"], kind)
		}
		sameKeys(t, kind, reflect.TypeOf(b), root.Definitions[kind], root.Definitions)
	}
}

// sameKeys compares the keys of a type with those of its definition, including nested types.
func sameKeys(t *testing.T, at string, of reflect.Type, def map[string]any, all map[string]map[string]any) {
	t.Helper()
	props, _ := def["properties"].(map[string]any)
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(of) {
		tag := f.Tag.Get("json")
		if tag == "" {
			continue // embedded
		}
		key, options, _ := strings.Cut(tag, ",")
		known[key] = true
		required, _ := def["required"].([]any)
		if props[key] == nil || slices.Contains(required, any(key)) == strings.Contains(options, "omitempty") {
			t.Errorf("%s.%s is not in the schema, or is required there and may be absent, or the reverse", at, key)
			continue
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || inner == reflect.TypeFor[time.Time]() ||
			inner == reflect.TypeFor[event.Range]() { // it has its own JSON form
			continue
		}
		raw, _ := json.Marshal(props[key])
		_, name, _ := strings.Cut(string(raw), "#/definitions/")
		name, _, _ = strings.Cut(name, `"`)
		sameKeys(t, at+"."+key, inner, all[name], all)
	}
	for key := range props {
		if !known[key] {
			t.Errorf("%s has no %s", at, key)
		}
	}
}
