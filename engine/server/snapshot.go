package server

import (
	"context"
	"fmt"
	"math"
	"net/http"

	"homellm/engine/engines"
)

// Snapshot is one scrape of a server's metrics.
type Snapshot struct {
	families map[string]*family
}

// HasMetrics reports whether the engine can have a metrics endpoint.
func (s *Side) HasMetrics() bool { return s.engine.Metrics != nil }

// Metrics scrapes the server once. A scrape costs the server a few milliseconds: never call it while a measured reply
// is streaming.
func (s *Side) Metrics(ctx context.Context) (*Snapshot, error) {
	if !s.HasMetrics() {
		return nil, fmt.Errorf("scraping the metrics of %s: %w", s.engine.Title, engines.ErrUnsupported)
	}
	shot, err := parse(s.at.Call(ctx, http.MethodGet, s.metrics, nil, engines.Patience))
	if err != nil {
		return nil, fmt.Errorf("scraping %s: %w", s.metrics, err)
	}
	return shot, nil
}

// Exposition reads a response as Prometheus text.
func (endpoint) Exposition(r engines.Response) (engines.Exposition, error) {
	shot, err := parse(r)
	if err != nil {
		return nil, err
	}
	return shot, nil
}

// parse reads the Prometheus text format. An error reply, a web page and a reply without any series are errors.
func parse(r engines.Response) (*Snapshot, error) {
	if err := r.Failure(); err != nil {
		return nil, err
	}
	all, err := families(string(r.Body))
	if err != nil {
		return nil, fmt.Errorf("the reply is not Prometheus text: %w", err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the reply holds no metric")
	}
	return &Snapshot{all}, nil
}

// family finds a counter or gauge under its name, with or without the _total that prometheus_client appends. The
// _created series of a counter is an instant with another name, and never part of it.
func (s *Snapshot) family(name string) (*family, bool) {
	for _, n := range []string{name + "_total", name} {
		if f, ok := s.families[n]; ok {
			return f, true
		}
	}
	return nil, false
}

// Has reports whether there is a counter or gauge of that name.
func (s *Snapshot) Has(name string) bool {
	_, ok := s.family(name)
	return ok
}

// sum adds the series of a family that keep accepts (nil: all). It is absent if there is none, or if one of them is
// not a number: NaN means unknown, which is not 0.
func (s *Snapshot) sum(name string, keep func(label func(string) string) bool) (float64, bool) {
	f, ok := s.family(name)
	if !ok {
		return 0, false
	}
	total, any := 0.0, false
	for _, m := range f.samples {
		if keep != nil && !keep(m.label) {
			continue
		}
		v, ok := f.value(m)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, false
		}
		total, any = total+v, true
	}
	return total, any
}

// histogram is the sum and the count of a histogram over all its series.
func (s *Snapshot) histogram(name string) (sum, count float64, ok bool) {
	f, found := s.families[name]
	if !found || !f.histogram() {
		return 0, 0, false
	}
	return f.sum, f.count, !math.IsNaN(f.sum) && !math.IsInf(f.sum, 0)
}

// Label is a label of the first series of a family.
func (s *Snapshot) Label(family, name string) (string, bool) {
	f, ok := s.family(family)
	if !ok {
		return "", false
	}
	return f.samples[0].label(name), true
}

// InFlight is the number of requests running or waiting in the server; if none is ours, they are other clients'.
func (s *Side) InFlight(shot *Snapshot) (int, bool) {
	if s.engine.Metrics == nil {
		return 0, false
	}
	total, any := 0.0, false
	for _, name := range s.engine.Metrics.InFlight {
		if v, ok := shot.sum(name, nil); ok {
			total, any = total+v, true
		}
	}
	busy, whole := engines.Tokens(total)
	return busy, any && whole
}
