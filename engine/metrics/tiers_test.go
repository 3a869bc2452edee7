package metrics

import "testing"

func TestTiers(t *testing.T) {
	for _, c := range []struct {
		name             string
		timings          map[string]float64
		local, offloaded any
		said             any
		why              string
	}{
		{"nothing is told", map[string]float64{"server.ttft_ms": 5}, nil, nil, nil, noTiers},
		{"both parts", map[string]float64{"cache.local_tokens": 64, "cache.external_tokens": 16}, 64, 16,
			"local 64, external 16", ""},
		{"three caches", map[string]float64{"cache.local_tokens": 64, "cache.host_tokens": 10, "cache.storage_tokens": 6},
			64, 16, "local 64, host 10, storage 6", ""},
		{"what was offloaded alone", map[string]float64{"cache.external_tokens": 0}, 80, 0, "local 80, external 0", ""},
		{"what was local alone", map[string]float64{"cache.local_tokens": 48}, 48, 32, "local 48, elsewhere 32", ""},
		{"parts that are not the whole", map[string]float64{"cache.local_tokens": 64, "cache.external_tokens": 32},
			nil, nil, nil, "the server counts 80 cached tokens in all, and 64 local and 32 offloaded ones"},
		{"more than the whole", map[string]float64{"cache.external_tokens": 96}, nil, nil, nil,
			"the server counts 80 cached tokens in all, and -16 local and 96 offloaded ones"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := reply()
			q.Timings = c.timings
			for name, want := range map[string]any{
				"cache.local_tokens": c.local, "cache.offloaded_tokens": c.offloaded, "cache.tiers": c.said,
			} {
				if v := Must(name).Each(&Cell{}, &q); v.V != want || v.Why != c.why {
					t.Errorf("%s is %v, %q; want %v, %q", name, v.V, v.Why, want, c.why)
				}
			}
		})
	}
	q := reply()
	q.Timings, q.Cached, q.CacheWhy = map[string]float64{"cache.local_tokens": 80}, nil, "not proven"
	if v := Must("cache.tiers").Each(&Cell{}, &q); v.Known() || v.Why != "not proven" {
		t.Errorf("what is cached is not proven, and its parts are %+v", v)
	}
}
