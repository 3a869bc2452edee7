package dsl

import (
	"slices"
	"strings"
	"testing"

	"homellm/dsl/expr"
)

// boxScenario has a matrix over boxes.
func boxScenario(matrix, rest string) File {
	return scenario("matrix: {" + matrix + "}\nconversations: [{id: main, steps: [{id: q, ask: 'Hi ${matrix.box}?', " +
		"reply: Ho.}]}]\n" + rest)
}

// TestBoxAxis checks which machines the cells of a matrix over boxes are for.
func TestBoxAxis(t *testing.T) {
	for _, tt := range []struct {
		matrix string
		boxes  []string
		want   string
	}{
		{"box: all", []string{"attic", "cellar"}, "attic, cellar"},
		{"box: all, n: [1, 2]", []string{"attic", "cellar"}, "attic 1, attic 2, cellar 1, cellar 2"},
		{"box: all", nil, "here"},
		{"box: all", []string{}, "none"},
		{"box: [cellar, porch]", []string{"attic", "cellar"}, "cellar, porch"},
		{"box: all, n: [1, 2], exclude: [{box: attic, n: 2}, {box: unknown}]", []string{"attic", "cellar"},
			"attic 1, cellar 1, cellar 2"},
		{"n: [1]", []string{"attic"}, " 1"},
	} {
		opt := exactOptions()
		opt.Boxes = tt.boxes
		f := boxScenario(tt.matrix, "")
		f.Data = []byte(strings.ReplaceAll(string(f.Data), "${matrix.box}", "there"))
		if strings.Contains(tt.matrix, "n: ") {
			f.Data = []byte(strings.ReplaceAll(string(f.Data), "there", "${matrix.n}"))
		}
		p := mustLoad(t, f, opt)
		var got []string
		for _, c := range p.Cells {
			text := c.Box()
			if n, ok := c.Values["n"]; ok {
				text += " " + expr.LiteralText(n)
			}
			got = append(got, text)
			if named := slices.Contains(c.Labels, Label{BoxAxis, c.Box()}); named != (c.Box() != "") || c.Skip != "" {
				t.Errorf("%s: labels %v, skipped: %q", tt.matrix, c.Labels, c.Skip)
			}
		}
		if got := strings.Join(got, ", "); got != tt.want || len(p.Warnings) > 0 {
			t.Errorf("%s with %v: cells for %s, want %s\n%v", tt.matrix, tt.boxes, got, tt.want, p.Warnings)
		}
	}
}

// TestBoxAxis_Here checks which cells this machine plays where it is in no fleet.
func TestBoxAxis_Here(t *testing.T) {
	opt := exactOptions()
	opt.Box = aBox
	if c := mustLoad(t, boxScenario("box: all", ""), opt).Cells[0]; c.Skip != "" || c.Box() != Here {
		t.Errorf("cell %v is skipped: %s", c, c.Skip)
	}
	c := mustLoad(t, boxScenario("box: [attic]", ""), opt).Cells[0]
	if want := "it is for box attic of a fleet, and this machine is in none"; c.Skip != want {
		t.Errorf("cell %v: %q, want %q", c, c.Skip, want)
	}
}

// TestBoxAxis_Overall checks assertions over the cells of several boxes: those of a box that is not there are not
// judged, and no confidence is promised for cells that are not played in turn.
func TestBoxAxis_Overall(t *testing.T) {
	opt := Options{Boxes: []string{"attic"}, DefaultServer: "big", Count: countWords, Render: plainRender}
	p := mustLoad(t, boxScenario("box: all", `overall: ['cell({box: "attic"}).steps.q.ttft_ms.p50 < `+
		`cell({box: "cellar"}).steps.q.ttft_ms.p50']`+"\n"), opt)
	if got := p.Overall[0].Cases[0].Missing; got != "no cell has box=cellar" {
		t.Errorf("with a box that is not there: %q", got)
	}
	opt.Boxes = []string{"attic", "cellar"}
	within := "overall: [{confidence: 90%, " +
		"that: 'cell({n: 1}).steps.q.ttft_ms.p50 < cell({n: 2}).steps.q.ttft_ms.p50'}]\n"
	p = mustLoad(t, boxScenario("box: all, n: [1, 2]", within), opt)
	if cases := p.Overall[0].Cases; len(cases) != 2 || cases[0].Labels[0].Value != "attic" {
		t.Errorf("compared within boxes: %+v", cases)
	}
	groups := map[string][]string{}
	for _, c := range p.Cells {
		group := p.Paired()[c.ID]
		groups[group] = append(groups[group], c.Box())
	}
	for _, boxes := range groups {
		if len(boxes) != 2 || boxes[0] != boxes[1] {
			t.Errorf("cells of boxes %v are played in turn", boxes)
		}
	}
	for _, refs := range [][2]string{{`{box: "attic"}`, `{box: "cellar"}`}, {`{box: "attic", n: 1}`, `{n: 2}`}} {
		across := `overall: [{confidence: 90%, that: 'cell(` + refs[0] + `).steps.q.ttft_ms.p50 < cell(` + refs[1] +
			`).steps.q.ttft_ms.p50'}]` + "\n"
		_, diags := Load(boxScenario("box: all, n: [1, 2]", across), testLibrary(t), vocabulary, opt)
		if !strings.Contains(diags.Error(), "which are not played in turn") {
			t.Errorf("%v with a confidence: %v", refs, diags)
		}
	}
}
