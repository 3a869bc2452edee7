package server

import "testing"

func TestTiered(t *testing.T) {
	const local, host = "cache.local_tokens", "cache.host_tokens"
	for name, c := range map[string]struct {
		values   map[string]float64
		cached   *int
		counters string
		want     bool
	}{
		"all that was cached":            {map[string]float64{local: 40, host: 8}, new(48), "", true},
		"less than was cached":           {map[string]float64{local: 40, host: 0}, new(48), "", false},
		"more than was cached":           {map[string]float64{"cache.external_tokens": 64}, new(48), "", false},
		"the offloaded part alone":       {map[string]float64{"cache.external_tokens": 8}, new(48), "", true},
		"what was cached is counted too": {map[string]float64{local: 48}, nil, "f", true},
		"what was cached is not known":   {map[string]float64{local: 48}, nil, "", false},
		"nothing of the kind":            {map[string]float64{"server.ttft_ms": 48}, new(48), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			d := Delta{Values: c.values, cached: map[string]int{"f": 48}}
			if got := d.tiered(c.cached, c.counters); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}
