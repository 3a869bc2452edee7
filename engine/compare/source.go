package compare

import (
	"maps"
	"time"

	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Source provides one side of a comparison: a cell of a run, or a baseline.
type Source struct {
	Name        string // in texts
	Fingerprint Fingerprint
	Recorded    time.Time // zero: just measured
	Sample      func(path string) metrics.Sample
	Figure      func(path string) metrics.Value             // in scenario scope
	Bounds      func(path string) (stats.Bounds, int, bool) // bounds of a percentile path, and the number of values
	Noise       func(path string) *float64                  // A/A noise; nil: none was recorded
	// noise between runs of a statistic; ok is false if it was not measured
	BetweenRuns func(path, stat string) (sd float64, ok bool)
	Runs        int // number of recorded runs; 0: this is a run, not a baseline
	Failed      int // failed requests
	Requests    int
	ClientError float64       // error of the client that measured, in ms; 0: unknown
	Cell        *metrics.Cell // the measured cell; nil: this is a baseline

	kept []string // the steps of a baseline
}

// Measured is the cell of a run as one side of a comparison.
func Measured(c *metrics.Cell, name string) Source {
	g := c.Measured(metrics.Group{})
	return Source{
		Name: name, Fingerprint: FingerprintOf(c), Sample: c.Sample, Figure: figures(c), Bounds: c.Bounds,
		Failed: metrics.CountFailed(g), Requests: len(g), Cell: c, ClientError: clientError(c),
	}
}

// looks are the looks that decided how much was measured; a baseline has none.
func (s Source) looks() stats.Looks {
	if s.Cell == nil {
		return nil
	}
	return s.Cell.Looks()
}

// clientError is the error of the client that measured a cell, in ms; 0: unknown.
func clientError(c *metrics.Cell) float64 {
	ms, _ := c.Observed("client.ttft_bias_p99_ms").Number()
	return ms
}

// Source is the baseline as the old side of a comparison.
func (b *Baseline) Source(name string) Source {
	made := maps.Clone(b.Fingerprint)
	if made[homellmVersion] == "" { // a file that was written before the key existed
		made.put(homellmVersion, b.Homellm)
	}
	return Source{
		Name: name, Fingerprint: made, ClientError: b.ClientError, Recorded: b.Recorded, Sample: b.Sample,
		Figure: b.Figures.value, Bounds: b.Figures.bounds,
		Noise: func(path string) *float64 { return b.Metrics[path].Noise },
		BetweenRuns: func(path, stat string) (float64, bool) {
			sd, ok := b.Metrics[path].Between[stat]
			return sd, ok
		},
		Runs: b.AARuns, kept: b.steps(),
	}
}
