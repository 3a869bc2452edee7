package sim

import (
	"net/http"
	"time"
)

// serverFaults are the faults that strike when a request arrives and change the server for good.
var serverFaults = map[string]func(x *exchange, f Fault){
	"restart": func(x *exchange, _ Fault) {
		e := x.s.engine
		e.mu.Lock()
		defer e.mu.Unlock()
		e.cache.reset() // it refuses while other requests run: they go on
		e.metrics = newMetrics(x.arrival, x.s.context)
	},
	"no_metrics": func(x *exchange, _ Fault) { x.s.noMetrics.Store(true) },
	"counters": func(x *exchange, f Fault) {
		e := x.s.engine
		e.mu.Lock()
		defer e.mu.Unlock()
		e.metrics.cached += orDefault(f.Count, blockTokens)
		e.metrics.hits += orDefault(f.Count, blockTokens)
	},
	"skew": func(x *exchange, f Fault) {
		now := x.arrival.Add(time.Duration(f.Delay))
		x.created = now.Unix()
		x.w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	},
	"no_tools": func(x *exchange, _ Fault) {
		if len(x.req.Tools) > 0 {
			x.req.Tools, x.req.ToolChoice = nil, nil
		}
	},
	"swap": func(x *exchange, f Fault) { x.model = f.Body },
}
