package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"time"

	"homellm/engine/compare"
	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// Baseline prints the origin of a baseline, and its samples.
func Baseline(w io.Writer, b *compare.Baseline) error {
	return whole(baseline)(w, b, Options{})
}

func baseline(out *bytes.Buffer, b *compare.Baseline, _ Options) error {
	head := [][]string{{"scenario", b.Scenario}, {"cell", b.Name}, {"recorded", b.Recorded.UTC().Format(time.RFC3339)},
		{"run", b.Run}, {"homellm", b.Homellm}}
	for _, k := range compare.FingerprintKeys {
		head = append(head, []string{k.Name, cmp.Or(b.Fingerprint[k.Name], "not known")})
	}
	head = append(head, []string{"A/A noise", fmt.Sprintf("%d halvings, %d runs", b.AASplits, b.AARuns)})
	if err := Columns(out, nil, head, 2); err != nil {
		return err
	}
	out.WriteByte('\n')
	var rows [][]string
	for _, path := range b.Paths() {
		m, s := b.Metrics[path], b.Sample(path)
		noise := readable.Unknown
		if m.Noise != nil {
			noise = fmt.Sprintf("%.2f %%", 100**m.Noise)
		}
		row := []string{path, m.Unit, fmt.Sprint(s.Count())}
		for _, stat := range baselineStats {
			row = append(row, plainFigure(s.Stat(stat)))
		}
		rows = append(rows, append(row, noise))
	}
	titles := append([]string{"metric", "unit", "n"}, baselineStats...)
	return Columns(out, append(titles, "A/A noise"), rows, 2)
}

// baselineStats are the statistics that are shown of each sample of a baseline.
var baselineStats = []string{"p50", "min", "max"}

// plainFigure is a value with the digits of its unit, or its limits.
func plainFigure(v metrics.Value) string {
	show := func(v float64) string { return fmt.Sprintf("%.4g", v) }
	f, ok := v.Number()
	switch {
	case ok:
		return show(f)
	case v.Range != nil:
		return readable.Range(v.Range.Low, v.Range.High, show)
	}
	return readable.Unknown
}
