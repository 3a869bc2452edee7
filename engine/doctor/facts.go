package doctor

import (
	"context"

	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/metrics"
	"homellm/engine/server"
)

// ServerFacts describe a server and the result of its test. A null key has its reason in Unknown, here and below.
type ServerFacts struct {
	server.Document
	Test *Test `json:"test"`
}

// Test is the result of a server's test.
type Test struct {
	Model        string            `json:"model"`
	ColdTTFT     *float64          `json:"cold_ttft_ms,omitempty"` // of the request that had the model loaded
	Failed       string            `json:"failed,omitempty"`       // why the request failed
	TTFT         *float64          `json:"ttft_ms"`
	Prompt       *int              `json:"prompt_tokens"`
	Completion   *int              `json:"completion_tokens"`
	OutputTPS    *float64          `json:"output_tps"`
	Finish       *string           `json:"finish_reason"`
	HeldBack     string            `json:"held_back,omitempty"` // how replies are kept until they are whole
	CacheReport  *CacheReport      `json:"cache_report"`
	SamePrompt   []float64         `json:"same_prompt_ttft_ms,omitempty"` // of a prompt that was sent twice
	ReusesSocket *bool             `json:"reuses_connection"`
	Unknown      map[string]string `json:"unknown"`
}

// CacheReport says whether the server's report of cached tokens is true.
type CacheReport struct {
	Proven      bool              `json:"proven"`
	How         string            `json:"how"`
	CacheOff    bool              `json:"cache_off"` // no prompt is cached
	BlockTokens *int              `json:"block_tokens"`
	Unknown     map[string]string `json:"unknown"`
}

// MachineFacts describe what of this computer affects the numbers.
type MachineFacts struct {
	Processor   *string           `json:"processor"`
	Threads     int               `json:"threads"`
	MemoryBytes *float64          `json:"memory_bytes"`
	FreeBytes   *float64          `json:"memory_free_bytes"`
	GPUs        []GPUFacts        `json:"gpus"`
	DiskFree    DiskFacts         `json:"disk_free_bytes"`
	Client      *ClientFacts      `json:"client"`
	Unknown     map[string]string `json:"unknown"`
}

// DiskFacts is the space that is free in bytes.
type DiskFacts struct {
	Results *uint64           `json:"results"`
	Models  *uint64           `json:"models"`
	Unknown map[string]string `json:"unknown"`
}

// GPUFacts is a GPU.
type GPUFacts struct {
	Name        string            `json:"name"`
	MemoryBytes *float64          `json:"memory_bytes"`
	FreeBytes   *float64          `json:"free_bytes"`
	Driver      *string           `json:"driver"`
	PowerLimitW *float64          `json:"power_limit_w"`
	HeldBack    string            `json:"held_back,omitempty"` // why its clocks are held back now
	Unknown     map[string]string `json:"unknown"`
}

// ClientFacts are the client's own errors of measurement.
type ClientFacts struct {
	TTFTp50  float64 `json:"ttft_added_p50_ms"`
	TTFTp99  float64 `json:"ttft_added_p99_ms"`
	TimerP99 float64 `json:"timer_late_p99_ms"`
}

// testFacts says what a test showed.
func testFacts(name string, seen tested) *Test {
	out := &Test{Model: name, Unknown: map[string]string{}}
	if e := seen.cold; e != nil {
		out.ColdTTFT = firstToken(e)
	}
	e := &seen.request
	silent := "the reply does not say"
	if e.Err != nil {
		out.Failed = e.Err.Message
		silent = "the request failed"
	}
	if out.TTFT = firstToken(e); out.TTFT == nil {
		out.Unknown["ttft_ms"] = "no token arrived"
	}
	out.Prompt, out.Completion = e.Usage.Prompt, e.Usage.Completion
	if out.Prompt == nil {
		out.Unknown["prompt_tokens"] = silent
	}
	if out.Completion == nil {
		out.Unknown["completion_tokens"] = silent
	}
	out.Finish = server.OrWhy(out.Unknown, "finish_reason", e.Finish, silent)
	if seen.proof != nil {
		out.HeldBack = seen.proof.HeldBack()
	}
	if v := decodeSpeed(&event.Request{Exchange: *e, Buffered: out.HeldBack != ""}); v.Why == "" {
		if f, ok := v.Number(); ok {
			out.OutputTPS = &f
		}
	} else {
		out.Unknown["output_tps"] = v.Why
	}
	if out.OutputTPS == nil && out.Unknown["output_tps"] == "" {
		out.Unknown["output_tps"] = silent
	}
	out.cache(seen)
	return out
}

// cache says what the self-test of the cache showed.
func (t *Test) cache(seen tested) {
	why := ""
	switch {
	case seen.request.Err != nil:
		why = "the request before it failed"
	case seen.failed != nil:
		why = "the cache test failed: " + seen.failed.Error()
	case seen.proof == nil || seen.sideless:
		why = "homellm has no cache test for this engine"
	}
	if why != "" {
		t.Unknown["cache_report"], t.Unknown["reuses_connection"] = why, why
		return
	}
	t.ReusesSocket = &seen.reused
	report := seen.proof.Report
	t.CacheReport = &CacheReport{Proven: report.Proven(), How: report.How(), CacheOff: report.Off || report.Zero,
		Unknown: map[string]string{}}
	t.CacheReport.BlockTokens = server.OrWhy(t.CacheReport.Unknown, "block_tokens", report.Block,
		"not learnt from the prompts of the test")
	if len(seen.times) == 2 {
		t.SamePrompt = seen.times
	}
}

// firstToken is the time to the first token of a reply in milliseconds, or nil.
func firstToken(e *event.Exchange) *float64 {
	if e.Sent == nil || len(e.Chunks) == 0 {
		return nil
	}
	return new(event.Milliseconds(e.Chunks[0].At - *e.Sent))
}

// decodeSpeed is the decode speed of a reply in tokens a second.
func decodeSpeed(q *event.Request) metrics.Value {
	d, _ := metrics.Lookup("output_tps")
	return d.Each(&metrics.Cell{}, q)
}

// machineFacts says what is known of this computer before its client is calibrated.
func machineFacts(ctx context.Context, t *host.Telemetry) MachineFacts {
	facts := t.Inspect(ctx)
	const untold = "the operating system does not tell"
	out := MachineFacts{GPUs: []GPUFacts{}, Unknown: map[string]string{},
		DiskFree: DiskFacts{Unknown: map[string]string{"results": untold, "models": untold}}}
	processor, _ := facts["cpu"].(string)
	out.Threads, _ = facts["cpu_threads"].(int)
	memory, _ := facts["memory_mib"].(uint64)
	free, _ := facts["memory_free_mib"].(uint64)
	out.Processor = server.OrWhy(out.Unknown, "processor", processor, untold)
	out.MemoryBytes = server.OrWhy(out.Unknown, "memory_bytes", float64(memory<<20), untold)
	out.FreeBytes = server.OrWhy(out.Unknown, "memory_free_bytes", float64(free<<20), untold)
	for _, g := range t.GPUs() {
		one := GPUFacts{Name: g.Name, HeldBack: g.ThrottledNow, Unknown: map[string]string{}}
		const untold = "the driver does not tell"
		one.MemoryBytes = server.OrWhy(one.Unknown, "memory_bytes", g.MemoryMiB*(1<<20), untold)
		one.FreeBytes = server.OrWhy(one.Unknown, "free_bytes", g.FreeMiB*(1<<20), untold)
		one.Driver = server.OrWhy(one.Unknown, "driver", g.Driver, untold)
		one.PowerLimitW = server.OrWhy(one.Unknown, "power_limit_w", g.PowerLimitW, untold)
		out.GPUs = append(out.GPUs, one)
	}
	return out
}

// free takes in how much space is free at a place.
func (d *DiskFacts) free(place string, bytes uint64) {
	delete(d.Unknown, place)
	if place == forModels {
		d.Models = &bytes
		return
	}
	d.Results = &bytes
}

// calibrated takes in what this client adds to a measurement.
func (m *MachineFacts) calibrated(floor client.Floor, err error) {
	if err != nil {
		m.Unknown["client"] = "not calibrated: " + err.Error()
		return
	}
	m.Client = &ClientFacts{event.Milliseconds(floor.TTFTp50), event.Milliseconds(floor.TTFTp99),
		event.Milliseconds(floor.TimerP99)}
}
