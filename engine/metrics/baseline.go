package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"homellm/engine/event"
)

// Fingerprint is what two runs must share for their numbers to be comparable, by key. What is not
// known has no key.
type Fingerprint map[string]string

// FingerprintKeys lists the keys in the order in which they are shown.
var FingerprintKeys = []struct{ Name, Doc string }{
	{"scenario.sha256", "the scenario and every document it reads"},
	{"scenario.options", "flags that change what is sent: --var, --context-size, tags"},
	{"gpu.name", "the graphics cards"},
	{"driver.version", "their driver"},
	{"cpu.name", "the processor"},
	{"server.engine", "vllm, llamacpp, …"},
	{"server.version", "as the server reports it"},
	{"server.flags_sha256", "of the command line, where homellm started the server"},
	{"server.simulation", "what is simulated; only of the embedded simulator"},
	{"model", "as the server calls it"},
	{"model.revision", "as the models file pins it"},
}

// DefaultMatch are the keys that must match where a gates file does not say. The server's version
// and flags are not among them: they are what one changes and wants to compare.
var DefaultMatch = []string{"scenario.sha256", "scenario.options", "gpu.name", "driver.version", "cpu.name", "server.engine", "server.simulation", "model", "model.revision"}

// Fingerprint tells under which circumstances the cell was measured.
func (c *Cell) Fingerprint() Fingerprint {
	f := Fingerprint{}
	put := func(key, value string) {
		if value != "" {
			f[key] = value
		}
	}
	if c.run != nil {
		put("scenario.sha256", c.run.Started.Scenario.SHA256)
		var changing []string
		for _, o := range c.run.Started.Options {
			name, _, _ := strings.Cut(o, "=")
			if !slices.Contains([]string{"--repeats", "--server", "--model", "--url", "--budget"}, name) {
				changing = append(changing, o)
			}
		}
		put("scenario.options", strings.Join(changing, " "))
		put("cpu.name", text(fmt.Sprint(or(c.run.Started.Host["cpu"], ""))))
		var names, drivers []string
		gpus, _ := c.run.Started.Host["gpus"].([]any)
		for _, g := range gpus {
			facts, _ := g.(map[string]any)
			if name, ok := facts["name"].(string); ok {
				names = append(names, name)
			}
			if driver, ok := facts["driver"].(string); ok && !slices.Contains(drivers, driver) {
				drivers = append(drivers, driver)
			}
		}
		put("gpu.name", strings.Join(names, " + "))
		put("driver.version", strings.Join(drivers, " + "))
	}
	if c.Started == nil {
		return f
	}
	s := c.Started.Server
	put("server.engine", s.Engine)
	put("server.version", s.Version)
	put("server.flags_sha256", s.Flags)
	put("server.simulation", s.Simulation)
	put("model", s.Model)
	put("model.revision", s.Revision)
	return f
}

func or(v, absent any) any {
	if v == nil {
		return absent
	}
	return v
}

// Mismatch is one key in which two fingerprints differ. An empty value is not known.
type Mismatch struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

func (m Mismatch) String() string {
	shown := func(v string) string {
		switch {
		case v == "":
			return "not known"
		case len(v) == 64 && strings.HasSuffix(m.Key, "sha256"):
			return v[:12] + "…"
		}
		return v
	}
	return fmt.Sprintf("%s: %s -> %s", m.Key, shown(m.Old), shown(m.New))
}

// Mismatches lists the keys in which f and the newer fingerprint differ. A key that only one of
// them knows is a mismatch.
func (f Fingerprint) Mismatches(newer Fingerprint, keys []string) []Mismatch {
	var out []Mismatch
	for _, k := range keys {
		if f[k] != newer[k] {
			out = append(out, Mismatch{k, f[k], newer[k]})
		}
	}
	return out
}

// BaselineSchema is the kind and version of a baseline file.
const BaselineSchema = "homellm.baseline/v1"

// Baseline is what one cell of a passing run measured: a file to keep in git.
type Baseline struct {
	Schema      string                    `json:"schema"`
	Scenario    string                    `json:"scenario"`
	Cell        string                    `json:"cell"`
	Name        string                    `json:"name"` // of the cell, for people
	Labels      []event.Label             `json:"labels"`
	Recorded    time.Time                 `json:"recorded"`
	Run         string                    `json:"run"` // id of the run
	Homellm     string                    `json:"homellm"`
	Fingerprint Fingerprint               `json:"fingerprint"`
	AASplits    int                       `json:"aa_splits"`         // halvings behind each noise; 0: not measured
	AARuns      int                       `json:"aa_runs"`           // runs behind each noise, this one included
	Figures     Figures                   `json:"figures,omitempty"` // that the gates file's expressions name below base.
	Metrics     map[string]BaselineMetric `json:"metrics"`
}

// BaselineMetric is one sample of a baseline: one value for each repeat.
type BaselineMetric struct {
	Unit    string    `json:"unit"`
	Better  int       `json:"better"`
	Unknown int       `json:"unknown"`
	Noise   *float64  `json:"noise"` // relative standard deviation of the difference of two samples of this size when nothing changed
	Values  []float64 `json:"values"`
}

// gateable are the metrics of steps and phases that a baseline keeps where no gates file names its own.
var gateable = []string{"ttft_ms", "ttft_answer_ms", "e2e_ms", "tpot_ms", "output_tps", "prefill_tps", "cache.hit_rate"}

// BaselinePaths lists what a baseline of the cell keeps where no gates file says it.
func (c *Cell) BaselinePaths() []string {
	var out []string
	add := func(prefix string, g Group) {
		if len(c.Measured(g)) == 0 {
			return
		}
		for _, m := range gateable {
			out = append(out, prefix+"."+m)
		}
	}
	for _, conv := range c.run.Started.Scenario.Conversations {
		for _, s := range conv.Steps {
			add("steps."+s.ID, Group{Step: s.ID})
		}
	}
	for _, p := range []string{"before", "with_rag", "after_removal"} {
		add("phases."+p, Group{Phase: p})
	}
	return append(out, "run.output_tps", "run.cache.hit_rate", "run.error_rate")
}

// Record makes a baseline of a cell. It refuses a run that did not pass, a cell that was not
// measured and a path that no run has. More cells are further runs of the same thing when nothing
// changed: how far their medians lie apart is the noise that one run cannot see in itself.
//
// figures are the paths that expressions of a gates file name below base.
func Record(c *Cell, paths, figures []string, splits int, more ...*Cell) (*Baseline, error) {
	r := c.run
	if verdict, _, reason := r.Outcome(); verdict != Pass {
		return nil, fmt.Errorf("only a passing run can be a baseline, and this one is %s: %s", verdict, reason)
	}
	if c.Planned.Skip != "" || len(c.Repeats()) == 0 {
		return nil, fmt.Errorf("%s was not measured", c.Name())
	}
	b := &Baseline{
		Schema: BaselineSchema, Scenario: r.Started.Scenario.Name, Cell: c.ID, Name: c.Name(), Labels: c.Planned.Labels,
		Recorded: r.Started.Started, Run: r.Started.ID, Homellm: r.Started.Homellm,
		Fingerprint: c.Fingerprint(), AASplits: splits, AARuns: 1 + len(more), Metrics: map[string]BaselineMetric{},
	}
	keys := make([]string, len(FingerprintKeys))
	for i, k := range FingerprintKeys {
		keys[i] = k.Name
	}
	for _, m := range more {
		if diff := b.Fingerprint.Mismatches(m.Fingerprint(), keys); len(diff) > 0 {
			return nil, fmt.Errorf("run %s is no repetition of run %s: %v", m.run.Started.ID, b.Run, diff[0])
		}
	}
	for _, path := range paths {
		s := c.Sample(path)
		if len(s.Values) == 0 {
			continue
		}
		kept := BaselineMetric{Unit: s.Unit, Better: s.Better, Unknown: s.Unknown, Values: s.Values}
		if sd, ok := s.Spread(splits); ok {
			kept.Noise = &sd
		}
		if sd, ok := between(s, more); ok && (kept.Noise == nil || sd > *kept.Noise) {
			kept.Noise = &sd
		}
		b.Metrics[path] = kept
	}
	var err error
	if b.Figures, err = c.Figures(figures); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	if len(b.Metrics)+len(b.Figures) == 0 {
		return nil, fmt.Errorf("%s has no value of any metric that is gated", c.Name())
	}
	return b, nil
}

// between is the standard deviation of the relative differences between the medians of runs.
func between(s Sample, more []*Cell) (sd float64, ok bool) {
	medians := []float64{middle(slices.Sorted(slices.Values(s.Values)))}
	for _, c := range more {
		if v := c.Sample(s.Path).Values; len(v) > 0 {
			medians = append(medians, middle(slices.Sorted(slices.Values(v))))
		}
	}
	d := NewDist(medians)
	if d.N < 2 || d.Mean == 0 {
		return 0, false
	}
	return d.Stddev * math.Sqrt2 / math.Abs(d.Mean), true // a difference has twice the variance of a median
}

// Sample returns one sample of the baseline.
func (b *Baseline) Sample(path string) Sample {
	m, ok := b.Metrics[path]
	if !ok {
		return Sample{Path: path, Why: "the baseline does not hold " + path + ": record it anew with this gates file"}
	}
	s := Sample{Path: path, Unit: m.Unit, Better: m.Better, Values: m.Values, Unknown: m.Unknown}
	if m.Unknown > 0 {
		s.Why = "unknown when the baseline was recorded"
	}
	for i := range m.Values {
		s.Repeats = append(s.Repeats, i+1)
	}
	return s
}

// Paths lists the samples of the baseline in order.
func (b *Baseline) Paths() []string { return slices.Sorted(maps.Keys(b.Metrics)) }

// Write writes the file: indented, one metric's values on one line, so that a diff can be read.
func (b *Baseline) Write(w io.Writer) error {
	out := *b
	out.Metrics = nil
	head, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("writing a baseline: %w", err)
	}
	text := strings.TrimSuffix(string(head), "null\n}")
	if _, err := io.WriteString(w, text+"{\n"); err != nil {
		return err
	}
	for i, path := range b.Paths() {
		line, err := json.Marshal(b.Metrics[path])
		if err != nil {
			return fmt.Errorf("writing a baseline: %s: %w", path, err)
		}
		comma := ","
		if i == len(b.Metrics)-1 {
			comma = ""
		}
		if _, err := fmt.Fprintf(w, "    %q: %s%s\n", path, line, comma); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "  }\n}\n")
	return err
}

// ReadBaseline reads a file that [Baseline.Write] wrote. Its shape is the schema's to check; what
// is checked here is that its parts fit together.
func ReadBaseline(data []byte) (*Baseline, error) {
	b := &Baseline{}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("not a baseline: %w", err)
	}
	switch {
	case b.Schema != BaselineSchema:
		return nil, fmt.Errorf("the schema is %q, not %q", b.Schema, BaselineSchema)
	case b.Recorded.IsZero():
		return nil, errors.New("it does not say when it was recorded")
	case len(b.Metrics)+len(b.Figures) == 0:
		return nil, errors.New("it holds no metric")
	case len(b.Fingerprint) == 0:
		return nil, errors.New("it has no fingerprint")
	}
	for _, path := range b.Paths() {
		if len(b.Metrics[path].Values) == 0 {
			return nil, fmt.Errorf("%s has no values", path)
		}
	}
	return b, nil
}
