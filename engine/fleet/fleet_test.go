package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/engine/files"
	"homellm/engine/fleet"
	"homellm/engine/judge"
)

// planOf plans a scenario of a matrix with the given assertions over all cells.
func planOf(t *testing.T, overall string) *dsl.Plan {
	t.Helper()
	data := `schema: homellm.scenario/v1
name: matrix
run: {repeats: 5, warmup: 0, isolation: {cache: salt, scope: repeat}}
matrix: {server: [sim, llamacpp], size: [1, 2, 3]}
conversations:
  - id: main
    steps:
      - {id: hello, ask: "Hello, number ${matrix.size}?", timeout: 90s}
assert: [run.requests_failed == 0]
` + overall
	file := dsl.File{Name: "matrix.yaml", Data: []byte(data)}
	plan, ds := dsl.Load(file, files.ShippedLibrary(), judge.Vocabulary(), dsl.Options{})
	if ds.Errors() {
		t.Fatal(ds)
	}
	return plan
}

// TestDivide checks which cells share a job: those that are compared with a confidence, or by ab, and no
// others.
func TestDivide(t *testing.T) {
	for _, tt := range []struct {
		name, overall string
		want          []string
	}{
		{"no comparison", "", []string{"sim 1", "sim 2", "sim 3", "llamacpp 1", "llamacpp 2", "llamacpp 3"}},
		{"without confidence", "overall: ['cell({size: 1}).steps.hello.ttft_ms.p50 < cell({size: 2}).steps.hello.ttft_ms.p50']\n",
			[]string{"sim 1", "sim 2", "sim 3", "llamacpp 1", "llamacpp 2", "llamacpp 3"}},
		{"with confidence",
			"overall: [{that: 'cell({size: 1}).steps.hello.ttft_ms.p50 < cell({size: 2}).steps.hello.ttft_ms.p50', confidence: 90%}]\n",
			[]string{"sim 1, sim 2", "sim 3", "llamacpp 1, llamacpp 2", "llamacpp 3"}},
		{"of servers",
			"overall: [{that: 'cell({server: \"sim\"}).steps.hello.ttft_ms.p50 < " +
				"cell({server: \"llamacpp\"}).steps.hello.ttft_ms.p50', confidence: 90%}]\n",
			[]string{"sim 1, llamacpp 1", "sim 2, llamacpp 2", "sim 3, llamacpp 3"}},
		{"alternating", "", []string{"sim 1, llamacpp 1", "sim 2, llamacpp 2", "sim 3, llamacpp 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := planOf(t, tt.overall)
			if tt.name == "alternating" {
				for _, c := range plan.Cells { // with one model, else they cannot be compared
					c.Labels[1].Value = "same"
				}
				plan.Alternate()
			}
			var got []string
			seen := map[string]bool{}
			for _, j := range fleet.Divide("run", plan, plan.Cells, fleet.Order{File: "matrix.yaml"}) {
				var cells []string
				for _, c := range j.Cells {
					cells = append(cells, c.Labels[0].Value+" "+c.Labels[len(c.Labels)-1].Value)
					if !slices.Contains(j.Order.Servers, c.Labels[0].Value) {
						t.Errorf("a job of %s needs %v", c.Labels[0].Value, j.Order.Servers)
					}
				}
				got = append(got, strings.Join(cells, ", "))
				first := strings.ReplaceAll(cells[0], " ", " x "+j.Cells[0].Labels[1].Value+" x ")
				if more := len(cells) - 1; more > 0 {
					first += fmt.Sprintf(" and %d more", more)
				}
				if j.Name() != first {
					t.Errorf("a job is called %s, want %s", j.Name(), first)
				}
				if seen[j.ID] || j.ID == "" || j.Run != "run" || j.Order.File != "matrix.yaml" {
					t.Errorf("job %+v", j)
				}
				if seen[j.ID] = true; j.Order.Longest.Seconds() != 90 {
					t.Errorf("a turn may take %v, want 90s", j.Order.Longest)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("jobs %q\nwant %q", got, tt.want)
			}
		})
	}
}
