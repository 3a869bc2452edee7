package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/engine/files"
	"homellm/engine/judge"
)

// planFor plans a scenario of two servers and three sizes that requires something of boxes.
func planFor(t *testing.T, requires, overall string) *dsl.Plan {
	t.Helper()
	data := `schema: homellm.scenario/v1
name: matrix
run: {repeats: 5, warmup: 0, isolation: {cache: salt, scope: repeat}}
matrix: {server: [sim, llamacpp], size: [1, 2, 3]}
` + requires + `conversations:
  - id: main
    steps:
      - {id: hello, ask: "Hello, number ${matrix.size}?"}
assert: [run.requests_failed == 0]
` + overall
	file := dsl.File{Name: "matrix.yaml", Data: []byte(data)}
	plan, ds := dsl.Load(file, files.ShippedLibrary(), judge.Vocabulary(), dsl.Options{})
	if ds.Errors() {
		t.Fatal(ds)
	}
	return plan
}

// described is a box as its description arrives: with what host.Inspect says of a machine with these GPUs.
func described(t *testing.T, gpus string) Box {
	t.Helper()
	b := box("attic", "sim")
	b.Labels = map[string]string{"gpu": "3090", "rack-1": "top"}
	host := `{"os": "linux", "arch": "amd64", "cpu": "AMD Ryzen 7", "cpu_cores": 8, "cpu_threads": 16, "memory_mib": 64216`
	if gpus != "" {
		host += `, "gpus": ` + gpus
	}
	if err := json.Unmarshal([]byte(host+"}"), &b.Host); err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	twoGPUs = `[{"name": "RTX 3090", "driver": "570.1", "memory_mib": 24576}, ` +
		`{"name": "RTX 3060", "driver": "570.1", "memory_mib": 12288}]`
	unreadGPU = `[{"name": "RTX 3090", "driver": "570.1", "memory_mib": 24576}, {"name": "RTX 3090"}]`
)

// TestFact checks what a box is said to be, and that what it does not say is unknown.
func TestFact(t *testing.T) {
	two, none, unread := described(t, twoGPUs), described(t, ""), described(t, unreadGPU)
	silent, lying := box("silent", "sim"), described(t, `[1, {"name": 3}, {"name": {}}]`)
	for _, tt := range []struct {
		box        Box
		path, want string
	}{
		{two, "box.name", "attic"}, {two, "box.label.gpu", "3090"}, {two, `box.label["rack-1"]`, "top"},
		{two, "box.os", "linux"}, {two, "box.arch", "amd64"}, {two, "box.cpu", "AMD Ryzen 7"}, {two, "box.cpus", "16"},
		{two, "box.memory_mib", "64216"}, {two, "box.gpus", "2"}, {two, "box.gpu", "RTX 3090, RTX 3060"},
		{two, "box.driver", "570.1"}, {two, "box.gpu_mem_mib", "24576"},
		{none, "box.gpus", "0"}, {none, "box.gpu", "?the box has no GPU that can be read"},
		{none, "box.gpu_mem_mib", "?the box has no GPU that can be read"},
		{unread, "box.gpus", "2"}, {unread, "box.gpu", "RTX 3090"},
		{unread, "box.gpu_mem_mib", "?the driver of a GPU does not say it"},
		{unread, "box.driver", "?the driver of a GPU does not say it"},
		{silent, "box.gpus", "?the box does not say it"}, {silent, "box.memory_mib", "?the box does not say it"},
		{silent, "box.label.gpu", `?the box has no label "gpu"`},
		{lying, "box.gpus", "2"}, {lying, "box.gpu", "?the driver of a GPU does not say it"},
	} {
		v := tt.box.Fact(tt.path)
		got := "?" + v.Why
		if v.Why == "" {
			got = fmt.Sprint(v.V)
		}
		if got != tt.want {
			t.Errorf("%s is %s, want %s", tt.path, got, tt.want)
		}
	}
	here, err := Here(map[string]any{"os": "linux", "memory_mib": uint64(7), "gpus": []map[string]any{{"name": "X"}}})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"box.memory_mib": "7 ", "box.gpus": "1 ", "box.gpu": "X ",
		"box.name":      "<nil> boxes of a fleet have names, and this machine is in none",
		"box.label.gpu": "<nil> labels are given to boxes of a fleet, and this machine is in none"} {
		if v := here.Fact(path); fmt.Sprint(v.V, " ", v.Why) != want {
			t.Errorf("of this machine %s is %v %s, want %s", path, v.V, v.Why, want)
		}
	}
}

// TestFacts_Documented checks that every fact that an expression may name has a value, of its type, and is described
// where users look.
func TestFacts_Documented(t *testing.T) {
	for _, name := range []string{"../../docs/fleet.md", "../../schema/scenario.v1.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range expr.BoxFacts() {
			if !strings.Contains(string(text), "box."+f.Path) {
				t.Errorf("%s does not mention box.%s", name, f.Path)
			}
		}
	}
	full := described(t, twoGPUs)
	for _, f := range expr.BoxFacts() {
		_, isText := full.Fact("box." + f.Path).V.(string)
		if v := full.Fact("box." + f.Path); v.V == nil || isText != (f.Kind == expr.String) || f.Doc == "" {
			t.Errorf("box.%s (%s) is %v: %s", f.Path, f.Kind, v.V, v.Why)
		}
	}
}

// TestCannot_Condition checks that a box must meet what any of the cells requires, and that it is asked once.
func TestCannot_Condition(t *testing.T) {
	plan := planFor(t, "requires: {box: 'box.label.gpu == \"3090\" && box.gpus >= matrix.size'}\n", "")
	jobs := Divide("run", plan, plan.Cells, Order{})
	two, none, other := described(t, twoGPUs), described(t, ""), described(t, twoGPUs)
	other.Name, other.Labels = "cellar", map[string]string{"gpu": "4090"}
	none.Name, none.Labels = "porch", nil
	three := `requires.box does not hold: box.label.gpu is "3090", box.gpus is 2, matrix.size is 3`
	for i, want := range []string{"", "", three} {
		if why := two.Cannot(jobs[i].Demand()); why != want {
			t.Errorf("size %d: %q, want %q", i+1, why, want)
		}
	}
	if jobs[0].conditions[0] != jobs[3].conditions[0] || jobs[0].conditions[0] == jobs[1].conditions[0] {
		t.Error("jobs that require the same ask anew, or others do not")
	}
	want := `no box of the fleet can play it (attic: ` + three + `; cellar: requires.box does not hold: box.label.gpu ` +
		`is "4090", box.gpus is 2, matrix.size is 3; porch: requires.box does not hold: box.gpus is 0, matrix.size is 3)`
	if why := Nobody(jobs[2], []Box{two, other, none}, noon); why != want {
		t.Errorf("%s\nwant %s", why, want)
	}
	one, more := jobs[0].Demand(), jobs[1].Demand()
	if one.Queue() == more.Queue() || one.Queue() != jobs[0].Demand().Queue() {
		t.Errorf("demands %v and %v share a queue, or one has two", one.Requires, more.Requires)
	}
	if why := other.Cannot(jobs[0].Demand()); !strings.Contains(why, `box.label.gpu is "4090"`) {
		t.Errorf("with another label: %q", why)
	}
	other.Instance, other.Labels = "cellar2", two.Labels // its worker was started anew
	if why := other.Cannot(jobs[0].Demand()); why != "" {
		t.Errorf("with other labels: %s", why)
	}
	paired := planFor(t, "requires: {box: 'box.gpus >= matrix.size'}\n", "overall: [{confidence: 90%, "+
		"that: 'cell({size: 1}).steps.hello.ttft_ms.p50 < cell({size: 3}).steps.hello.ttft_ms.p50'}]\n")
	if why := two.Cannot(Divide("run", paired, paired.Cells, Order{})[0].Demand()); !strings.Contains(why, "matrix.size is 3") {
		t.Errorf("a pair of cells, one of which the box cannot play: %q", why)
	}
}

// TestFit checks which cells are skipped, and that each reason is told once.
func TestFit(t *testing.T) {
	plan := planFor(t, "requires: {box: 'box.gpus >= matrix.size'}\n", "")
	plan.Cells[0].Skip = "it was skipped before"
	lines := Fit(plan, []Box{described(t, twoGPUs)}, noon)
	reason := "no box of the fleet can play it (attic: requires.box does not hold: box.gpus is 2, matrix.size is 3)"
	profile := `no box of the fleet can play it (attic: it has no profile "llamacpp")`
	var skips []string
	for _, c := range plan.Cells {
		skips = append(skips, c.Skip)
	}
	if want := []string{"it was skipped before", "", reason, profile, profile, profile}; !slices.Equal(skips, want) {
		t.Errorf("skipped %q, want %q", skips, want)
	}
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "skipped (sim x ") ||
		!strings.HasSuffix(lines[0], "size=3): "+reason) || strings.Count(lines[1], "size=") != 3 {
		t.Errorf("told %q", lines)
	}
	var many []Box
	for i := range 9 {
		b := described(t, "")
		b.Name, b.Labels = fmt.Sprintf("box%d", i), map[string]string{"n": fmt.Sprint(i / 3)}
		many = append(many, b)
	}
	why := Nobody(jobOn("j", "vllm"), many, noon)
	if !strings.Contains(why, "(box0, box1, box2, box3, box4 and 4 more: it has no profile") {
		t.Errorf("of nine boxes: %s", why)
	}
}
