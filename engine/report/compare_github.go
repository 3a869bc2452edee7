package report

import (
	"bytes"
	"fmt"
	"homellm/engine/compare"
	"strings"
)

// compareGitHub annotates the gates that are worse or unknown at their place in the gates file.
func compareGitHub(b *bytes.Buffer, c compare.Comparison, opt Options) error {
	writeAnnotations(b, opt, compareAnnotations(c))
	return nil
}

func compareAnnotations(c compare.Comparison) []annotation {
	var out []annotation
	for _, p := range c.Pairs {
		switch {
		case p.Missing != "" && p.Required:
			out = append(out, annotation{"error", "", 0, 0, p.Cell, []string{p.Missing}})
		case p.Missing != "":
			out = append(out, annotation{"warning", "", 0, 0, p.Cell, []string{p.Missing}})
		case len(p.Mismatches) > 0 || p.Stale != "":
			severity := "error"
			if p.OnMismatch == compare.MismatchWarns {
				severity = "warning"
			}
			out = append(out, annotation{severity, "", 0, 0, p.Cell, append([]string{"not comparable: " + p.Old + " → " + p.New},
				circumstances(p)...)})
			if severity == "error" {
				continue // none of its gates was judged, all for this reason
			}
		case len(p.Differences) > 0:
			out = append(out, annotation{"notice", "", 0, 0, p.Cell, circumstances(p)})
		}
		for _, d := range p.Deltas {
			severity := severityOf(d.Judged())
			if severity == "" {
				continue
			}
			row := compareRow(d)
			text := []string{p.Cell + ": " + string(d.Verdict)}
			if d.Change != nil || d.Between != nil {
				text = append(text, fmt.Sprintf("%s: %s → %s, %s (95 %%: %s, p %s)", d.Gate.Metric, row[2], row[3],
					row[columnChange],
					row[columnInterval], row[columnP]))
				if m := marginText(d); m != "" {
					text = append(text, "may become worse by "+m)
				}
			}
			if d.Why != "" {
				text = append(text, d.Why)
			}
			out = append(out, annotation{severity, d.Gate.File, d.Gate.Line, d.Gate.Column, d.Gate.Name, text})
		}
	}
	verdict, _, reason := c.Outcome()
	out = append(out, annotation{"notice", "", 0, 0, "comparison", []string{strings.ToUpper(string(verdict)) + "  " +
		reason}})
	if what := simulatedSides(c); what != "" {
		out = append(out, annotation{"notice", "", 0, 0, "SIMULATED", []string{what}})
	}
	return out
}
