package doctor

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/observe"
	"homellm/engine/server"
	"homellm/engine/target"
)

// counting is the text of the measured request.
const counting = "Count from one to twenty."

// tested is the result of a server's test. It is printed when it is complete.
type tested struct {
	cold    *event.Exchange      // the request that loaded the model; nil: it was loaded already
	request event.Exchange       // the measured request
	proof   *observe.Proof       // whether the server's reports are true; nil: the self-test failed
	failed  error                // of the self-test
	times   []float64            // TTFT in milliseconds of the longest prompt that was sent twice
	reused  bool                 // its connection was kept open
	apis    []engines.Capability // the optional APIs that answered a request, or do not exist

	sideless bool // only completions are available
}

// test sends one measured request and the self-test that begins a run.
func (d *Doctor) test(ctx context.Context, f server.Found, name string) (out tested) {
	profile := d.Library.Server(d.Library.Attach("doctor", f.Engine, f.URL))
	config := target.ClientConfig(profile, f.URL, d.Key, name)
	config.Stream = true
	one, err := client.New(config)
	if err != nil {
		out.request.Err = &event.Error{Class: "client", Message: err.Error()}
		return out
	}
	defer one.CloseIdle()
	limit := profile.HTTP.Whole()
	epoch, zero := time.Now(), 0.0
	ask := func(ctx context.Context, text string, tokens int) event.Exchange {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		defer d.Waiting(fmt.Sprintf("a reply of %s to a test, for %v at most", f.URL, limit))()
		return one.Do(ctx, epoch, time.Now(), client.Prompt{
			Messages: []client.Message{
				{Role: "user", Content: text},
			}, MaxTokens: tokens, Temperature: &zero, Extra: engines.Of(f.Engine).Counted(profile.API, profile.Body),
		})
	}
	if m, listed := f.Model(name); listed && !inMemory(f, m) {
		out.cold = new(ask(ctx, "Hello", 1)) // its time is that of loading, not of a reply
	}
	out.request = ask(ctx, counting, 48)
	if ctx.Err() != nil || out.request.Err != nil {
		return out
	}
	out.apis = d.asked(ctx, config)
	hc := server.NewHTTPClient(d.Key)
	defer hc.CloseIdleConnections()
	side, err := server.NewSide(server.Config{BaseURL: f.URL, Engine: f.Engine, Model: name, Client: hc})
	if err != nil { // an engine without side channels
		out.proof, out.sideless = &observe.Proof{}, true
		out.proof.ProveStream(ctx, nil, ask)
		out.proof.Add(&out.request)
		return out
	}
	known := server.Known{Block: profile.Capabilities.BlockTokens, Told: profile.Capabilities.BlockTokens == 1}
	if f.BlockTokens != nil {
		known.Block, known.Told = *f.BlockTokens, true
	}
	known.Context, _ = f.Context(name)
	times, longest := map[string][]float64{}, 0
	out.proof, out.failed = observe.Prove(ctx, side, known, func(ctx context.Context, text, _ string) event.Exchange {
		e := ask(ctx, text, 1)
		if e.Sent != nil && len(e.Chunks) > 0 {
			times[text] = append(times[text], event.Milliseconds(e.Chunks[0].At-*e.Sent))
			if len(times[text]) == 2 && len(text) > longest {
				longest, out.times = len(text), times[text]
			}
		}
		out.reused = e.Wire.Reused
		return e
	})
	if out.failed == nil {
		out.proof.ProveStream(ctx, side, ask)
	}
	out.proof.Add(&out.request)
	return out
}

// results prints what was on the wire, and whether the report of cached tokens is true.
func (d *Doctor) results(f server.Found, name string, seen tested) {
	if e := seen.cold; e != nil && e.Sent != nil && len(e.Chunks) > 0 {
		d.Report.Line("cold", "first token after %.1f ms, with what it took to load the model if it was not loaded",
			event.Milliseconds(e.Chunks[0].At-*e.Sent))
	}
	e := seen.request
	if e.Err != nil {
		d.Report.Line("request", "failed: %s", e.Err.Message)
		d.Report.Problem(d.another(f.URL, e.Status), "a request to %s failed (%s): %s", f.URL, e.Err.Class,
			e.Err.Message)
		return
	}
	held, whole := "", ""
	if seen.proof != nil {
		held, whole = seen.proof.HeldBack(), seen.proof.Buffered(&e)
	}
	d.Report.Line("request", "%s", timing(e, cmp.Or(whole, held)))
	d.Report.Line("wire", "%s", wire(e))
	if m := observe.Leak(e.Text+e.Reasoning, counting); m != "" {
		d.Report.Problem(observe.LeakHint(f.Engine),
			"the reply of %s holds %s, a marker of a chat template: the model does not know the template it is asked with",
			f.URL, m)
	}
	if held != "" {
		d.Report.Problem("turn buffering off in the server, or in the proxy before it (nginx: proxy_buffering off)",
			"%s holds replies back until they are whole: %s; when tokens are made cannot be measured", f.URL, held)
	}
	switch {
	case seen.proof == nil || seen.sideless:
		return
	case seen.failed != nil:
		d.Report.Line("cache test", "failed: %v", seen.failed)
		d.Report.Problem("homellm doctor --url "+f.URL+" --model "+name,
			"the cache test of %s failed, so its cached tokens are not known: %v; look into the server's log", f.URL,
			seen.failed)
		return
	case seen.reused:
		d.Report.Line("connection", "kept open: each request reuses the connection of the one before")
	default:
		d.Report.Line("connection", "closed after a reply: each turn needs a new one, which is made ahead")
	}
	if report := seen.proof.Report; report.Proven() {
		d.Report.Line("cache test", "proven: %s", report.How())
		if report.Block > 0 {
			d.Report.Line("cache blocks", "%d tokens, learnt from what it kept of prompts of known lengths", report.Block)
		}
		if report.Off || report.Zero {
			d.Report.Problem(cmp.Or(engines.Of(f.Engine).Hints.CacheOn, "start the server with its prefix cache"),
				"%s caches no prompt: %s", f.URL, report.How())
		}
	} else {
		d.Report.Line("cache test", "cached tokens are unknown: %s", report.Why)
		if report.Silent {
			d.reportFix(f)
		}
	}
	if len(seen.times) == 2 {
		d.Report.Line("same prompt", "first token after %.1f ms, repeated %.1f ms", seen.times[0], seen.times[1])
	}
}

// another returns the command to type after a request was refused with a status. Some servers ask for a key only for
// generation.
func (d *Doctor) another(address string, status int) string {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		return d.withKey(address)
	}
	return "homellm doctor --url " + address + " --model NAME"
}

// timing says how fast a reply came. Held says how it was held back; empty: it was not.
func timing(e event.Exchange, held string) string {
	var parts []string
	if e.Sent != nil && len(e.Chunks) > 0 {
		what := "first token"
		if held != "" {
			what = "the whole reply"
		}
		parts = append(parts, fmt.Sprintf("%s after %.1f ms", what, event.Milliseconds(e.Chunks[0].At-*e.Sent)))
	}
	if e.Usage.Prompt != nil && e.Usage.Completion != nil {
		parts = append(parts, fmt.Sprintf("%d prompt tokens, %d generated", *e.Usage.Prompt, *e.Usage.Completion),
			speed(&event.Request{Exchange: e, Buffered: held != ""}))
	} else {
		parts = append(parts, "the reply reports no token counts")
	}
	if e.Finish == "" {
		parts = append(parts, "no finish reason")
	} else {
		parts = append(parts, "finished: "+e.Finish)
	}
	return strings.Join(parts, ", ")
}

// speed is the decode speed of a reply.
func speed(q *event.Request) string {
	v := decodeSpeed(q)
	f, known := v.Number()
	switch {
	case known:
		return fmt.Sprintf("%.1f tokens/s", f)
	case v.Range != nil && !math.IsInf(v.Range.High, 1):
		return fmt.Sprintf("%.1f to %.1f tokens/s: %s", v.Range.Low, v.Range.High, v.Why)
	}
	return "decode speed unknown: " + v.Why
}

// wire prints facts of the framing that explain a surprising figure.
func wire(e event.Exchange) string {
	w := e.Wire
	parts := []string{w.Framing, w.Protocol, fmt.Sprintf("%d events in %d reads", w.Events, w.Reads)}
	if w.CoalescedMax > 1 {
		parts = append(parts, fmt.Sprintf("up to %d deltas in one read: gaps between them are not measured", w.CoalescedMax))
	}
	if w.StampedBy != "" {
		parts = append(parts, "arrivals stamped by the "+w.StampedBy)
	}
	if n := len(e.Chunks); n > 0 && e.Usage.Completion != nil {
		parts = append(parts, fmt.Sprintf("%.2g tokens a chunk", float64(*e.Usage.Completion)/float64(n)))
	}
	if w.RoleEarly {
		parts = append(parts, "a chunk without text comes first")
	}
	if w.ReasoningKey != "" {
		parts = append(parts, "reasoning in "+w.ReasoningKey)
	}
	if w.UsageIn != "" {
		parts = append(parts, "usage in "+strings.ReplaceAll(w.UsageIn, "_", " "))
	}
	if !w.DoneMarker && w.Framing == "sse" {
		parts = append(parts, "no [DONE]")
	}
	return strings.Join(parts, ", ")
}

// reportFix says how to start the server so that it reports cached tokens.
func (d *Doctor) reportFix(f server.Found) {
	h := engines.Of(f.Engine).Hints
	switch {
	case h.StartReporting == "":
	case h.ReportSince != "":
		d.Report.Problem(h.StartReporting, "%s does not report cached tokens: %s", f.URL, h.ReportSince)
	default:
		d.Report.Problem(h.StartReporting, "%s does not report cached tokens", f.URL)
	}
}
