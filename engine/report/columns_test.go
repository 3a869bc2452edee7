package report

import (
	"strings"
	"testing"

	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// On a narrow screen no line runs into the next one, and no number is lost. What may be wider is
// the line on the simulator, which can be searched for.
func TestTable_FitsTheScreen(t *testing.T) {
	for _, name := range []string{"passing", "matrix", "interrupted"} {
		r := replay(t, name)
		for _, columns := range []int{100, 80, 64} {
			out := render(t, format(t, "table"), r, Options{Width: columns})
			for l := range strings.Lines(out) {
				l = strings.TrimRight(l, "\n")
				if w := readable.Width(l); w > columns && !strings.HasPrefix(l, "SIMULATED") {
					t.Errorf("%s on %d columns: %d: %s", name, columns, w, l)
				}
				if l != strings.TrimRight(l, " ") {
					t.Errorf("%s: trailing blanks: %q", name, l)
				}
			}
			for _, c := range r.Cells {
				if len(c.Measured(metrics.Group{})) == 0 {
					continue
				}
				for _, row := range cellGrid(r, c, false).rows {
					for _, cell := range row {
						if !strings.Contains(out, cell) {
							t.Errorf("%s on %d columns: %q is lost", name, columns, cell)
						}
					}
				}
			}
		}
	}
}

func TestFitted(t *testing.T) {
	head := []string{"phase", "prompt tok", "hit rate", "TTFT p50"}
	rows := [][]string{{"before", "310", "0.88", "21 ms"}, {"with_rag", "8,412", "0.97", "48 ms"}}
	for _, c := range []struct {
		screen int
		want   string
	}{
		{60, " phase     prompt tok  hit rate  TTFT p50 \n before           310      0.88     21 ms \n with_rag       " +
			"8,412      0.97     48 ms \n"},
		{36, "           prompt   hit   TTFT \n phase        tok  rate    p50 \n before       310  0.88  21 ms \n with_rag " +
			"  8,412  0.97  48 ms \n"},
		{26, "           prompt   hit \n phase        tok  rate \n before       310  0.88 \n with_rag   8,412  0.97 \n " +
			"phase     TTFT p50 \n before       21 ms \n with_rag     48 ms \n"},
	} {
		got, err := fitted(c.screen, head, rows, 1)
		if err != nil || got != c.want {
			t.Errorf("%d:\n%s\nwant\n%s (%v)", c.screen, got, c.want, err)
		}
	}
}
