package dsl

import "testing"

func TestReserved(t *testing.T) {
	for _, name := range []string{"con", "CON", "nul", "aux.json", "com1", "COM9.tar.gz", "lpt0", "prn ", "a.", "a ",
		"con .x",
		"com¹", "CONOUT$", "..", "."} {
		if !Reserved(name) {
			t.Errorf("%q is taken for a name", name)
		}
	}
	for _, name := range []string{"console", "com", "com10", "a.con", "null", "rag-long", "lpt", "a.b",
		".x", "auxiliary"} {
		if Reserved(name) {
			t.Errorf("%q is refused", name)
		}
	}
}

// What a cell is called cannot become a path that no system can have, or one that leads elsewhere.
func TestBaselinePathsAreNames(t *testing.T) {
	g := Gates{File: DefaultBaseline}
	for value, want := range map[string]string{
		"sim": "baselines/sim/sim.json", "con": "baselines/_con/_con.json", "nul.x": "baselines/_nul.x/_nul.x.json",
		"a.": "baselines/a/a..json", "../../etc": "baselines/-..-etc/-..-etc.json", "": "baselines/-/-.json",
		"a\x1b[2J\nb": "baselines/a-2J-b/a-2J-b.json", "...": "baselines/-/-.json", "a. ": "baselines/a.-/a.-.json",
	} {
		if got := g.Baseline(map[string]string{"scenario.name": value, "cell": value}); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
