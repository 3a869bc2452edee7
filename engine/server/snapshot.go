package server

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Snapshot is one scrape of a server's metrics.
type Snapshot struct {
	families map[string]*dto.MetricFamily
}

// HasMetrics reports whether the engine can have a metrics endpoint at all.
func (s *Side) HasMetrics() bool { return s.engine.metrics != "" && s.engine.names != nil }

// Metrics scrapes the server once. A scrape costs the server a few milliseconds: never call it
// while a measured reply is streaming.
func (s *Side) Metrics(ctx context.Context) (*Snapshot, error) {
	if !s.HasMetrics() {
		return nil, fmt.Errorf("scraping the metrics of %s: %w", s.engine.Title, ErrUnsupported)
	}
	r, err := s.get(ctx, s.engine.metrics)
	if err != nil {
		return nil, fmt.Errorf("scraping %s: %w", s.engine.metrics, err)
	}
	shot, err := parse(r)
	if err != nil {
		return nil, fmt.Errorf("scraping %s: %w", s.engine.metrics, err)
	}
	return shot, nil
}

// exposition says why a reply is no Prometheus exposition; nil if it is one.
func exposition(r reply) error {
	_, err := parse(r)
	return err
}

// parse reads the Prometheus text format. An error reply, a web page and a reply without one
// series are errors.
func parse(r reply) (*Snapshot, error) {
	if err := r.failure(); err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("the reply is no Prometheus text: %w", err)
	}
	if len(families) == 0 {
		return nil, fmt.Errorf("the reply holds no metric")
	}
	return &Snapshot{families}, nil
}

// family finds a counter or gauge under its name, with or without the _total that
// prometheus_client appends. The _created series beside a counter is an instant, has a name of
// its own, and is never part of it.
func (s *Snapshot) family(name string) (*dto.MetricFamily, bool) {
	for _, n := range []string{name + "_total", name} {
		if f, ok := s.families[n]; ok {
			return f, true
		}
	}
	return nil, false
}

func (s *Snapshot) has(name string) bool {
	_, ok := s.family(name)
	return ok
}

// value is the number of a counter, gauge or untyped series.
func value(m *dto.Metric) (float64, bool) {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue(), true
	case m.Gauge != nil:
		return m.Gauge.GetValue(), true
	case m.Untyped != nil:
		return m.Untyped.GetValue(), true
	}
	return 0, false
}

// label is the value of a label, empty if the series does not have it.
func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// sum adds the series of a family that keep accepts (nil: all). It is absent if there is none,
// and if one of them is not a number: NaN says "not known", and 0 would say something else.
func (s *Snapshot) sum(name string, keep func(*dto.Metric) bool) (float64, bool) {
	f, ok := s.family(name)
	if !ok {
		return 0, false
	}
	total, any := 0.0, false
	for _, m := range f.GetMetric() {
		if keep != nil && !keep(m) {
			continue
		}
		v, ok := value(m)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, false
		}
		total, any = total+v, true
	}
	return total, any
}

// first is the sum of the first of several names that is there: engines rename their metrics.
func (s *Snapshot) first(names ...string) (float64, bool) {
	for _, name := range names {
		if v, ok := s.sum(name, nil); ok {
			return v, true
		}
	}
	return 0, false
}

// histogram is the sum and the count of a histogram over all its series.
func (s *Snapshot) histogram(name string) (sum, count float64, ok bool) {
	f, found := s.families[name]
	if !found {
		return 0, 0, false
	}
	for _, m := range f.GetMetric() {
		if h := m.GetHistogram(); h != nil {
			sum, count, ok = sum+h.GetSampleSum(), count+float64(h.GetSampleCount()), true
		}
	}
	return sum, count, ok && !math.IsNaN(sum) && !math.IsInf(sum, 0)
}

// info is a label of vLLM's cache_config_info. vLLM writes the word None for what is not set.
func (s *Snapshot) info(name string) (string, bool) {
	f, ok := s.family("vllm:cache_config_info")
	if !ok || len(f.GetMetric()) == 0 {
		return "", false
	}
	v := label(f.GetMetric()[0], name)
	return v, v != "" && v != "None"
}

func (s *Snapshot) infoInt(name string) (int, bool) {
	text, ok := s.info(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0
}

// BlockTokens is how many tokens one block of the prefix cache holds.
func (s *Snapshot) BlockTokens() (int, bool) { return s.infoInt("block_size") }

// KVTokens is how many tokens the KV cache holds.
func (s *Snapshot) KVTokens() (int, bool) {
	if n, ok := s.infoInt("kv_cache_size_tokens"); ok {
		return n, true
	}
	blocks, ok := s.infoInt("num_gpu_blocks")
	block, okBlock := s.BlockTokens()
	return blocks * block, ok && okBlock
}

// CacheOff reports that the server says its prefix cache is switched off. False means that it is
// on, or that the server does not say.
func (s *Snapshot) CacheOff() bool {
	on, ok := s.info("enable_prefix_caching")
	return ok && strings.EqualFold(on, "false")
}

// KVUsed is the share of the KV cache that running requests use, 0..1.
func (s *Side) KVUsed(shot *Snapshot) (float64, bool) {
	if s.engine.names == nil {
		return 0, false
	}
	return shot.first(s.engine.names.kv...)
}

// InFlight is how many requests run or wait in the server: with none of one's own, they are
// somebody else's.
func (s *Side) InFlight(shot *Snapshot) (int, bool) {
	if s.engine.names == nil {
		return 0, false
	}
	total, any := 0.0, false
	for _, name := range s.engine.names.inFlight {
		if v, ok := shot.sum(name, nil); ok {
			total, any = total+v, true
		}
	}
	return int(total), any
}
