package compare

import (
	"maps"
	"time"

	"homellm/engine/metrics"
	"homellm/engine/stats"
)

// Source gives one side of a comparison: a cell of a run, or a baseline.
type Source struct {
	Name        string // for people
	Fingerprint Fingerprint
	Recorded    time.Time // zero: just measured
	Sample      func(path string) metrics.Sample
	Figure      func(path string) metrics.Value             // in scenario scope
	Bounds      func(path string) (stats.Bounds, int, bool) // of a path that ends in a percentile, and of how many values
	Noise       func(path string) *float64                  // A/A noise; nil: none was recorded
	// the noise between runs of a statistic; ok is false where it was not measured
	BetweenRuns func(path, stat string) (sd float64, ok bool)
	Runs        int // that were recorded of the same thing; 0: a run
	Failed      int // requests that failed
	Requests    int
	ClientError float64       // of the client that measured, in ms; 0: not known
	Cell        *metrics.Cell // what a run measured; nil: a baseline

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

// looks are those that decided how much was measured; a baseline tells of none.
func (s Source) looks() stats.Looks {
	if s.Cell == nil || s.Cell.Done == nil {
		return nil
	}
	return s.Cell.Done.Looks
}

// clientError is the error of the client that measured a cell, in ms; 0: not known.
func clientError(c *metrics.Cell) float64 {
	ms, _ := c.Observed("client.ttft_bias_p99_ms").Number()
	return ms
}

// Source is the baseline as the old side of a comparison.
func (b *Baseline) Source(name string) Source {
	made := maps.Clone(b.Fingerprint)
	if made[homellmVersion] == "" { // of a file from before it was one of the circumstances
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
