package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/server"
	"homellm/engine/target"
)

type doctorFlags struct {
	libraryFlags
	url   string
	model string
}

func newDoctor(p process) *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at servers and machine, and say what can be measured",
		Long: `doctor finds out what answers, what it is, what can be measured of it and from
which source, and what of the machine would make numbers worse than they need be.
It sends a few short requests to a server that is ready. Every problem comes with
the command to type next. It exits with 0 whether or not it found problems, and with
5 if nothing answers at the address of --url.`,
		Example: `  homellm doctor
  homellm doctor --url http://127.0.0.1:8000/v1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return examine(c.Context(), p, f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.url, "url", "", "address of the server to look at, instead of this machine's usual ports")
	c.Flags().StringVar(&f.model, "model", "", "model to send the test requests to, where a server has several")
	return c
}

// doctor writes what it finds and remembers what is wrong.
type doctor struct {
	process
	servers  *servers
	lib      *dsl.Library
	model    string
	problems []problem
}

// problem is something to be put right, with the command that does it.
type problem struct{ what, next string }

func (d *doctor) say(format string, args ...any) { fmt.Fprintf(d.stdout, format+"\n", args...) }

func (d *doctor) wrong(next, format string, args ...any) {
	d.problems = append(d.problems, problem{fmt.Sprintf(format, args...), next})
}

func examine(ctx context.Context, p process, f doctorFlags) error {
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	d := &doctor{process: p, servers: &servers{process: p, lib: lib}, lib: lib, model: f.model}
	found, err := d.find(ctx, f.url)
	if err != nil {
		return err
	}
	unreachable := f.url != "" && len(found) == 0
	for i, one := range found {
		if i > 0 {
			d.say("")
		}
		d.server(ctx, one)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.say("")
	d.machine(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.say("")
	if len(d.problems) == 0 {
		d.say("no problems found")
		return nil
	}
	d.say("what to do")
	for _, one := range d.problems {
		d.say("  %s\n      %s", one.what, one.next)
	}
	if unreachable {
		return &failure{code: exitEnvironment}
	}
	return nil
}

// find probes the address that was named, or this machine's usual ports and those of the servers
// that homellm started.
func (d *doctor) find(ctx context.Context, address string) ([]server.Found, error) {
	if address != "" {
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		if u, err := url.Parse(address); err != nil || u.Hostname() == "" {
			return nil, failf(exitUsage, "write it like http://127.0.0.1:8000/v1", "--url: this is no address")
		}
		one, err := server.Probe(ctx, address, nil)
		if err != nil {
			return nil, failf(exitUsage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
		}
		if one.State == server.PortBusy {
			d.wrong("homellm doctor   (looks at this machine's usual ports)", "what answers at %s is no LLM server that homellm knows", one.URL)
		}
		if one.State == server.NotRunning {
			d.say("nothing answers at %s", one.URL)
			d.wrong("homellm doctor   (looks at this machine's usual ports)", "nothing answers at %s: is the server started, and is the address right?", one.URL)
			return nil, nil
		}
		return []server.Found{one}, nil
	}
	ports := engines.Ports()
	left, err := host.Leftovers(d.servers.records())
	if err != nil {
		return nil, failf(exitEnvironment, "", "%w", err)
	}
	for _, l := range left {
		ports = append(ports, portOf("http://"+l.Address))
		if !l.Owned {
			d.wrong("homellm stop "+l.Name, "an earlier homellm left a server running: %s", l)
		}
	}
	byPort, err := scan(ctx, ports)
	if err != nil {
		return nil, err
	}
	var found []server.Found
	for _, port := range ports {
		if f, ok := byPort[port]; ok {
			found = append(found, f)
			delete(byPort, port)
		}
	}
	if len(found) == 0 {
		d.say("no server answers on this machine's usual ports")
		d.wrong("homellm apply quickstart   (plays on the built-in simulator)\n      homellm servers            (profiles that homellm can start: homellm serve PROFILE)", "there is no server to measure")
	}
	return found, nil
}

// server says what one server is and what can be measured of it.
func (d *doctor) server(ctx context.Context, f server.Found) {
	title := profileFor(f)
	if e, ok := engines.Lookup(f.Engine); ok {
		title = e.Title
	}
	d.say("%s", strings.TrimSpace(fmt.Sprintf("%s %s at %s", title, f.Version, f.URL)))
	if f.Simulated {
		d.say("  SIMULATED     %s: no number from here is a real server's", f.Simulation)
	}
	state := strings.ReplaceAll(string(f.State), "_", " ")
	if f.Detail != "" {
		state += ": " + f.Detail
	}
	d.say("  state         %s", state)
	switch f.State {
	case server.StartingUp:
		d.wrong("homellm doctor --url "+f.URL+"   (in a moment)", "%s is still starting", f.URL)
		return
	case server.Failing:
		d.wrong("look at its log, then start it again", "%s says that it is broken: %s", f.URL, f.Detail)
		return
	case server.PortBusy:
		if pid, command, ok := host.Listener(ctx, portOf(f.URL)); ok {
			d.say("  process       %d (%s)", pid, command)
		}
		return
	}
	name, loaded := d.models(f)
	for _, c := range f.Capabilities {
		mark := "no "
		if c.OK {
			mark = "yes"
		}
		d.say("  %-13s %s  %s", strings.ReplaceAll(c.Name, "_", " "), mark, c.How)
	}
	for _, n := range f.Notes {
		d.say("  note          %s", n)
	}
	if name == "" {
		return
	}
	if !loaded {
		d.say("  test          not sent: it would load the model; name it with --model %s to have it tested", name)
		return
	}
	d.test(ctx, f, name)
}

// models lists what is served and chooses the one to test.
func (d *doctor) models(f server.Found) (name string, loaded bool) {
	if len(f.Models) == 0 {
		d.say("  model         none")
		next := "load a model in the server"
		if h := engines.Of(f.Engine).Hints; h.Pull != "" {
			next = h.Pull + " " + h.SmallModel
		}
		d.wrong(next, "%s lists no model", f.URL)
		return "", false
	}
	for _, m := range f.Models {
		about := ""
		n, ok := f.Context(m.ID)
		switch {
		case ok:
			about = fmt.Sprintf(", context %d tokens", n)
		case m.TrainedTokens != nil:
			about = fmt.Sprintf(", context not told before it is loaded (trained for %d)", *m.TrainedTokens)
		default:
			about = ", context not told"
		}
		if m.Loaded != nil && !*m.Loaded {
			about += ", not loaded"
		}
		if m.GPUShare != nil {
			about += fmt.Sprintf(", %.0f %% in GPU memory", 100**m.GPUShare)
		}
		if known := d.lib.Model(m.ID); known != nil && known.Name != m.ID {
			about += ", known as " + known.Name
		}
		d.say("  model         %s%s", m.ID, about)
	}
	if d.model != "" {
		if err := f.CheckModel(d.model); err != nil {
			next := "homellm doctor --model " + f.Models[0].ID
			if missing, ok := errors.AsType[*server.ModelNotFound](err); ok {
				next = missing.Hint()
			}
			d.wrong(next, "%v", err)
			return "", false
		}
		return d.model, true
	}
	for _, m := range f.Models {
		if m.Loaded == nil || *m.Loaded {
			return m.ID, true
		}
	}
	return f.Models[0].ID, false
}

// test sends the cache self-test and one measured request, and says what was on the wire.
func (d *doctor) test(ctx context.Context, f server.Found, name string) {
	profile := d.lib.Server(d.lib.Attach("doctor", f.Engine, f.URL))
	config := target.ClientConfig(profile, f.URL, "", name)
	config.Stream = true
	one, err := client.New(config)
	if err != nil {
		d.wrong("", "%v", err)
		return
	}
	defer one.CloseIdle()
	epoch, zero := time.Now(), 0.0
	ask := func(ctx context.Context, text string, tokens int) event.Exchange {
		return one.Do(ctx, epoch, time.Now(), client.Prompt{
			Messages: []client.Message{{Role: "user", Content: text}}, MaxTokens: tokens, Temperature: &zero, Extra: profile.Body,
		})
	}
	e := ask(ctx, "Count from one to twenty.", 48)
	if ctx.Err() != nil {
		return
	}
	if e.Err != nil {
		d.say("  request       failed: %s", e.Err.Message)
		d.wrong("homellm doctor --url "+f.URL+" --model NAME", "a request to %s failed (%s): %s", f.URL, e.Err.Class, e.Err.Message)
		return
	}
	d.say("  request       %s", timing(e))
	d.say("  wire          %s", wire(e))
	d.cacheTest(ctx, f, name, ask)
}

func timing(e event.Exchange) string {
	var parts []string
	if e.Sent != nil && len(e.Chunks) > 0 {
		parts = append(parts, fmt.Sprintf("first token after %.1f ms", float64(e.Chunks[0].At-*e.Sent)/1e6))
	}
	if e.Usage.Prompt != nil && e.Usage.Completion != nil {
		parts = append(parts, fmt.Sprintf("%d prompt tokens, %d generated", *e.Usage.Prompt, *e.Usage.Completion))
		if n := len(e.Chunks); n > 1 && *e.Usage.Completion > 1 {
			if window := (e.Chunks[n-1].At - e.Chunks[0].At).Seconds(); window > 0 {
				parts = append(parts, fmt.Sprintf("%.1f tokens/s", float64(*e.Usage.Completion-1)/window))
			}
		}
	} else {
		parts = append(parts, "the reply counts no tokens")
	}
	if e.Finish == "" {
		parts = append(parts, "no finish reason")
	} else {
		parts = append(parts, "finished: "+e.Finish)
	}
	return strings.Join(parts, ", ")
}

// wire tells what explains a surprising figure.
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

// cacheTest sends the same new prompt twice and says whether the server's report of cached tokens
// is to be believed.
func (d *doctor) cacheTest(ctx context.Context, f server.Found, name string, ask func(context.Context, string, int) event.Exchange) {
	side, err := server.NewSide(server.Config{BaseURL: f.URL, Engine: f.Engine, Model: name})
	if err != nil {
		return // an engine without side channels was said above
	}
	block := 0
	if f.BlockTokens != nil {
		block = *f.BlockTokens
	}
	var times []float64
	reused := false
	report, err := side.SelfTest(ctx, block, func(ctx context.Context, text string) (server.Reply, error) {
		e := ask(ctx, text, 1)
		if e.Err != nil && e.Err.Class != "empty" {
			return server.Reply{}, errors.New(e.Err.Message)
		}
		if e.Sent != nil && len(e.Chunks) > 0 {
			times = append(times, float64(e.Chunks[0].At-*e.Sent)/1e6)
		}
		reused = e.Wire.Reused
		source := e.Wire.CachedIn
		if source == "" {
			source = "usage"
		}
		return server.Reply{Prompt: e.Usage.Prompt, Completion: e.Usage.Completion, Cached: e.Usage.Cached, Source: source}, nil
	})
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		d.say("  cache test    failed: %v", err)
		d.wrong("homellm doctor --url "+f.URL+" --model "+name, "the cache test of %s failed, so its cached tokens are not known: %v; "+
			"look into the server's log", f.URL, err)
		return
	case reused:
		d.say("  connection    kept open: a request finds the one before it")
	default:
		d.say("  connection    closed after a reply: each turn needs a new one, which is made ahead")
	}
	if report.Proven() {
		d.say("  cache test    proven: %s", report.How())
	} else {
		d.say("  cache test    cached tokens are unknown: %s", report.Why)
		d.reportFix(f)
	}
	if len(times) == 2 {
		d.say("  same prompt   first token after %.1f ms, repeated %.1f ms", times[0], times[1])
	}
}

func (d *doctor) reportFix(f server.Found) {
	h := engines.Of(f.Engine).Hints
	switch {
	case h.StartReporting == "":
	case h.ReportSince != "":
		d.wrong(h.StartReporting, "%s does not report cached tokens: %s", f.URL, h.ReportSince)
	default:
		d.wrong(h.StartReporting, "%s does not report cached tokens", f.URL)
	}
}
