package dsl

import (
	"time"

	"homellm/dsl/syntax"
)

// What a server gets that does not say otherwise. The schema states the same values.
const (
	defaultStartTimeout  = 10 * time.Minute
	defaultStartInterval = 500 * time.Millisecond
	defaultGrace         = 20 * time.Second
	defaultConnect       = 5 * time.Second
	defaultFirstToken    = 5 * time.Minute
	defaultIdle          = time.Minute
)

// server reads a profile from its resolved settings.
func (d *decoder) server(at syntax.Entry, n *syntax.Node) *Server {
	d.get(n, "extends")
	s := &Server{
		Pos:           d.src.Pos(at.At()),
		Name:          at.Key,
		Description:   d.str(n, "description"),
		Abstract:      d.flag(n, "abstract", false),
		Engine:        d.str(n, "engine"),
		Models:        d.strs(n, "models"),
		Launch:        d.launch(d.get(n, "launch")),
		Port:          d.integer(n, "port", 0),
		BasePath:      d.strOr(n, "base_path", "/v1"),
		API:           d.strOr(n, "api", "chat"),
		Placement:     d.strOr(n, "system_placement", "native"),
		ContextTokens: d.integer(n, "context_tokens", 0),
	}
	if body := d.get(n, "body"); body != nil && body.Kind == syntax.MapKind {
		s.Body = body.Plain().(map[string]any)
	}
	if attach := d.get(n, "attach"); attach != nil {
		s.Attach = d.need(attach, "url").Text()
		if key := d.get(attach, "api_key"); key != nil {
			s.APIKey = Secret{Env: d.str(key, "env"), File: d.str(key, "file")}
		}
	}
	s.Health = Health{Path: "/v1/models", Status: 200, Then: []string{"models", "completion"}}
	if health := d.get(n, "health"); health != nil {
		s.Health.Path, s.Health.Status = d.need(health, "http").Text(), d.integer(health, "status", 200)
		if d.get(health, "then") != nil {
			s.Health.Then = d.strs(health, "then")
		}
	}
	startup := d.get(n, "startup")
	s.Startup = Wait{d.duration(startup, "timeout", defaultStartTimeout), d.duration(startup, "interval", defaultStartInterval)}
	stop := d.get(n, "stop")
	s.Stop = Stop{d.strOr(stop, "signal", "SIGTERM"), d.duration(stop, "grace", defaultGrace)}
	http := d.get(n, "http")
	s.HTTP = Timeouts{
		Connect:    d.duration(http, "connect_timeout", defaultConnect),
		FirstToken: d.duration(http, "ttft_timeout", defaultFirstToken),
		Idle:       d.duration(http, "idle_timeout", defaultIdle),
	}
	s.Capabilities = d.capabilities(d.get(n, "capabilities"))
	return s
}

// need returns the value of a key, and reports one that is missing. The schema cannot: a
// profile may inherit it.
func (d *decoder) need(n *syntax.Node, key string) *syntax.Node {
	v := d.get(n, key)
	if v == nil {
		d.errorf(firstKey(n), "links/missing-key", "add it here, or to a profile that this one extends", "key %q is missing", key)
	}
	return v
}

func (d *decoder) launch(n *syntax.Node) *Launch {
	if n == nil {
		return nil
	}
	l := &Launch{Pos: d.src.Pos(n), Command: d.strs(n, "command")}
	if len(l.Command) == 0 {
		d.need(n, "command")
	}
	if env := d.get(n, "env"); env != nil {
		for _, e := range env.Entries {
			l.Env = append(l.Env, Flag{d.src.Pos(e.At()), e.Key, format(e.Node.Scalar)})
		}
	}
	if flags := d.get(n, "flags"); flags != nil {
		for _, e := range flags.Entries {
			l.Flags = append(l.Flags, Flag{d.src.Pos(e.At()), e.Key, flagValue(e.Node)})
		}
	}
	return l
}

// flagValue returns a bool, int, float64, string or []string.
func flagValue(n *syntax.Node) any {
	if n.Kind != syntax.ListKind {
		return n.Scalar
	}
	out := []string{}
	for _, item := range n.Items {
		out = append(out, format(item.Scalar))
	}
	return out
}

func (d *decoder) capabilities(n *syntax.Node) Capabilities {
	c := Capabilities{
		Streaming:   d.flag(n, "streaming", true),
		Usage:       d.flag(n, "usage", true),
		BlockTokens: d.integer(n, "block_tokens", 0),
		CacheReport: CacheReport{Source: "none", NullMeans: "unknown"},
	}
	if report := d.get(n, "cache_report"); report != nil {
		c.CacheReport = CacheReport{
			Source:    d.need(report, "source").Text(),
			NullMeans: d.strOr(report, "null_means", "unknown"),
			Verify:    d.flag(report, "verify", true),
		}
	}
	if reset := d.get(n, "cache_reset"); reset != nil {
		c.CacheReset = &Endpoint{Method: d.strOr(reset, "method", "POST"), Path: d.need(reset, "path").Text()}
	}
	part := func(key, of string) string {
		if v := d.get(n, key); v != nil {
			return d.need(v, of).Text()
		}
		return ""
	}
	c.CacheSalt = part("cache_salt", "body_key")
	c.IgnoreEOS = part("ignore_eos", "body_key")
	c.MinTokens = part("min_tokens", "body_key")
	c.Tokenize = part("tokenize", "path")
	c.Metrics = part("metrics", "path")
	return c
}

// ability is one thing that a server can do, and whether a profile says so.
type ability struct {
	name string
	of   func(Capabilities) bool
}

// abilities are the names that requires.capabilities uses for what a profile can say of a
// server, in the order of the schema; gpu is a matter of the machine and is not among them.
var abilities = []ability{
	{"streaming", func(c Capabilities) bool { return c.Streaming }},
	{"usage", func(c Capabilities) bool { return c.Usage }},
	{"cache_report", func(c Capabilities) bool { return c.CacheReport.Source != "" && c.CacheReport.Source != "none" }},
	{"cache_reset", func(c Capabilities) bool { return c.CacheReset != nil }},
	{"cache_salt", func(c Capabilities) bool { return c.CacheSalt != "" }},
	{"tokenize", func(c Capabilities) bool { return c.Tokenize != "" }},
	{"metrics", func(c Capabilities) bool { return c.Metrics != "" }},
}

// abilities lists what the server can do.
func (c Capabilities) abilities() []string {
	var names []string
	for _, a := range abilities {
		if a.of(c) {
			names = append(names, a.name)
		}
	}
	return names
}
