package dsl

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/engines"
	"homellm/engine/wire"
)

// The defaults of a server. The schema states the same values.
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
	d.nameOfFiles(at.At(), "a server", at.Key)
	s := &Server{
		Pos:         d.src.Pos(at.At()),
		Name:        at.Key,
		Description: d.str(n, "description"),
		Abstract:    d.flag(n, "abstract", false),
		Engine:      d.str(n, "engine"),
		Models:      d.strs(n, "models"),
		Launch:      d.launch(d.get(n, "launch")),
		Address:     Address{Port: d.integer(n, "port", 0), BasePath: d.strOr(n, "base_path", "/v1")},
		Wire: Wire{
			API:           wire.API(d.strOr(n, "api", string(wire.Chat))),
			Placement:     d.strOr(n, "system_placement", "native"),
			ReasoningTags: strings.TrimPrefix(d.str(n, "reasoning_tags"), "auto"),
		},
		ContextTokens: d.integer(n, "context_tokens", 0),
		Variants:      d.variants(d.get(n, "variants")),
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
	s.Startup = Wait{d.limit(startup, "timeout", defaultStartTimeout),
		d.limit(startup, "interval", defaultStartInterval)}
	stop := d.get(n, "stop")
	s.Stop = Stop{d.strOr(stop, "signal", "SIGTERM"), d.duration(stop, "grace", defaultGrace)}
	http := d.get(n, "http")
	s.HTTP = Timeouts{
		Connect:    d.limit(http, "connect_timeout", defaultConnect),
		FirstToken: d.limit(http, "ttft_timeout", defaultFirstToken),
		Idle:       d.limit(http, "idle_timeout", defaultIdle),
	}
	s.Capabilities = d.capabilities(d.get(n, "capabilities"))
	s.Embeddings, s.Rerank = d.service(d.get(n, "embeddings")), d.service(d.get(n, "rerank"))
	return s
}

// need returns the value of a key, and reports a missing key. The schema cannot do so, because a profile may inherit
// it.
func (d *decoder) need(n *syntax.Node, key string) *syntax.Node {
	v := d.get(n, key)
	if v == nil && n.Kind == syntax.MapKind {
		d.errorf(firstKey(n), "links/missing-key", "add it here, or to a profile that this one extends", "key %q is missing",
			key)
	}
	return v
}

func (d *decoder) launch(n *syntax.Node) *Launch {
	if n == nil {
		return nil
	}
	l := &Launch{Pos: d.src.Pos(n), Command: d.strs(n, "command")}
	if command := d.get(n, "command"); command != nil {
		d.noKeys(command.Items)
	}
	if len(l.Command) == 0 {
		d.need(n, "command")
	}
	l.Env, l.Flags = overlaid(nil, d.env(n)), overlaid(nil, d.flags(n))
	return l
}

// env reads the environment variables below a key env.
func (d *decoder) env(n *syntax.Node) (out []Flag) {
	if env := d.get(n, "env"); env != nil {
		for _, e := range env.Entries {
			f := Flag{Pos: d.src.Pos(e.At()), Name: e.Key}
			if e.Node.Scalar != nil {
				f.Value = expr.LiteralText(e.Node.Scalar)
			}
			out = append(out, f)
		}
	}
	return out
}

// flags reads the command-line flags below a key flags.
func (d *decoder) flags(n *syntax.Node) (out []Flag) {
	if flags := d.get(n, "flags"); flags != nil {
		for _, e := range flags.Entries {
			out = append(out, Flag{d.src.Pos(e.At()), e.Key, flagValue(e.Node)})
			if keyFlag.MatchString("--" + e.Key) {
				d.keyOnCommandLine(e.At(), "--"+strings.ReplaceAll(e.Key, "_", "-"))
			}
		}
	}
	return out
}

// keyFlag is a flag whose value is a secret.
var keyFlag = regexp.MustCompile(
	`^--?((?:[a-z]+[-_])?api[-_]key|hf[-_]token|hft|api[-_]token|(?:[a-z]+[-_])*password)(?:=.*)?$`)

// noKeys rejects secrets in a command.
func (d *decoder) noKeys(words []*syntax.Node) {
	for i, w := range words {
		if m := keyFlag.FindStringSubmatch(w.Text()); m != nil {
			at := w
			if i+1 < len(words) && !strings.Contains(w.Text(), "=") {
				at = words[i+1]
			}
			d.keyOnCommandLine(at, "--"+m[1])
		}
	}
}

// keyShown is the code of a finding whose source line must not be shown.
const keyShown = "links/secret"

// keyOnCommandLine rejects a secret that all users of the machine could read in the list of processes.
func (d *decoder) keyOnCommandLine(at *syntax.Node, flag string) {
	d.errorf(at, keyShown, "set the variable that the server reads instead, such as VLLM_API_KEY or LLAMA_API_KEY, "+
		"where homellm is started, or name a file (api_key_file)",
		"%s puts a key on the command line, which everybody on this machine can read", flag)
}

// hideKeys removes the source lines with keys from all findings.
func hideKeys(diags syntax.Diagnostics) {
	for _, key := range diags {
		for i := range diags {
			if g := &diags[i]; key.Code == keyShown && g.Pos.File == key.Pos.File && g.Pos.Line == key.Pos.Line {
				g.Source, g.EndCol = "", 0
			}
		}
	}
}

// flagValue returns a bool, int, float64, string or []string.
func flagValue(n *syntax.Node) any {
	switch n.Kind {
	case syntax.MapKind:
		return n.Plain()
	case syntax.ListKind:
	default:
		return n.Scalar
	}
	out := []string{}
	for _, item := range n.Items {
		out = append(out, expr.LiteralText(item.Scalar))
	}
	return out
}

func (d *decoder) capabilities(n *syntax.Node) Capabilities {
	c := Capabilities{
		Streaming:   d.flag(n, "streaming", true),
		Usage:       d.flag(n, "usage", true),
		BlockTokens: d.integer(n, "block_tokens", 0),
		Images:      d.truth(n, "images"),
		CacheReport: CacheReport{Source: notTold, NullMeans: "unknown"},
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

// checkFlagName warns of a flag that resembles one of the engine's: the server would fail to start after a minute, or
// take it for another flag.
func (d *decoder) checkFlagName(e syntax.Entry, engine string, flags *syntax.Node) {
	known := engines.Of(engine).Launch.Flags.Names
	if slices.Contains(known, e.Key) || len(e.Key) < 4 || strings.Contains(e.Key, "-") {
		return
	}
	if help := syntax.Suggest(e.Key, known); help != "" {
		name := &syntax.Node{Src: flags.Src, Kind: syntax.StringKind, Scalar: e.Key, Line: e.Line, Col: e.Col, End: e.End}
		if e.Node != nil && e.Node.Src != nil {
			name.Src = e.Node.Src
		}
		d.add(syntax.Warning, name, "links/flag", help,
			fmt.Sprintf("%s is not a flag of %s that homellm knows", e.Key, engine))
	}
}

// checkFlagValues checks the flags of a profile with the engine's rules, and against each other.
func (d *decoder) checkFlagValues(s *Server, flags *syntax.Node) {
	values := engines.Values{}
	for _, e := range flags.Entries {
		if e.Node != nil && e.Node.Kind != syntax.MapKind {
			values[e.Key] = e.Node.Scalar
		}
	}
	profile := engines.Profile{ContextTokens: s.ContextTokens, Port: s.Port}
	for _, check := range engines.Of(s.Engine).Launch.Flags.Checks {
		v := flags.Get(check.Flag)
		if v == nil || v.Reference != "" {
			continue
		}
		value := v.Scalar
		if v.Kind == syntax.MapKind {
			value = v.Plain()
		}
		f := check.Value(value, values, profile)
		if f == nil {
			continue
		}
		severity, help := syntax.Warning, f.Help
		if f.Wrong {
			severity = syntax.Error
		}
		if len(f.Known) > 0 {
			help = syntax.SuggestOr(expr.LiteralText(v.Scalar), f.Known, "known")
		}
		d.add(severity, v, "links/flag", help, f.Message)
	}
}

// checkServer reports what is missing in a resolved profile, and contradictory settings.
func (d *decoder) checkServer(s *Server, n *syntax.Node, l *Library) {
	d.checkModelNames(n, l)
	d.checkLaunch(s, n)
	d.checkVariants(s, n)
	if s.Abstract {
		return
	}
	if s.Engine == "" {
		d.errorAt(s, n, "links/missing-key", "add engine:, or abstract: true if it is only to be extended",
			"profile %q does not say which engine it is", s.Name)
	}
	if attach := n.Get("attach"); s.Launch == nil && s.Attach == "" && (attach == nil || attach.Kind == syntax.MapKind) {
		d.errorAt(s, n, "links/missing-key", "add launch: to start a server, or attach: to use one that runs",
			"profile %q says neither how to start a server nor where one is", s.Name)
	}
	d.checkAPI(s, n)
	capabilities := n.Get("capabilities")
	if report := capabilities.Get("cache_report"); s.Capabilities.CacheReport.Source == "counters" &&
		s.Capabilities.Metrics == "" {
		d.errorf(report.Get("source"), "links/capability", "add capabilities.metrics",
			"counters are read from a metrics endpoint, and the profile has none")
	}
}

// checkAPI warns about a profile whose engine is known not to serve its API.
func (d *decoder) checkAPI(s *Server, n *syntax.Node) {
	if why := engines.Of(s.Engine).Refuses(s.API); why != "" {
		d.add(syntax.Warning, n.Get("api"), "links/api", "ask by an API that it serves: docs/servers.md has a table",
			"api: "+string(s.API)+" is not served: "+why)
	}
}

// errorAt reports an error at the name of a profile.
func (d *decoder) errorAt(s *Server, n *syntax.Node, code, help, format string, args ...any) {
	name := &syntax.Node{Src: n.Src, Kind: syntax.StringKind, Scalar: s.Name, Line: s.Pos.Line, Col: s.Pos.Col,
		End: s.Pos.Col + len(s.Name)}
	d.errorf(name, code, help, format, args...)
}

func (d *decoder) checkModelNames(n *syntax.Node, l *Library) {
	for _, m := range d.list(n, "models") {
		if name := m.Text(); name != "any" && l.Model(name) == nil {
			d.errorf(m, "links/model", cmp.Or(l.SuggestModel(name),
				syntax.SuggestOr(name, l.modelNames(), "models")), "model %q is in no models file", name)
		}
	}
}

func (d *decoder) checkLaunch(s *Server, n *syntax.Node) {
	launch := n.Get("launch")
	if launch == nil {
		return
	}
	d.checkPlaceholders(launch)
	flags := launch.Get("flags")
	if flags == nil {
		return
	}
	for _, e := range flags.Entries {
		d.checkFlagName(e, s.Engine, flags)
	}
	d.checkFlagValues(s, flags)
}

// checkPlaceholders reports placeholders below a node that no launch has.
func (d *decoder) checkPlaceholders(n *syntax.Node) {
	n.EachText(func(text *syntax.Node) {
		for _, m := range launchForm.FindAllStringSubmatch(text.Text(), -1) {
			if !slices.Contains(launchNames, m[1]) || !strings.HasSuffix(m[0], "}") {
				d.errorf(text, "links/reference", syntax.SuggestOr(m[1], launchNames, "possible"),
					"%s refers to nothing that a launch has", m[0])
			}
		}
	})
}

// service reads who embeds or reranks for a profile.
func (d *decoder) service(n *syntax.Node) *Service {
	if n == nil {
		return nil
	}
	return &Service{Server: d.str(n, "server"), Model: d.str(n, "model")}
}

// linkServices finds the other servers that a profile names. A server that homellm would have to start is none: it runs
// one server at a time.
func (d *decoder) linkServices(s *Server, n *syntax.Node, l *Library) {
	for key, service := range map[string]*Service{"embeddings": s.Embeddings, "rerank": s.Rerank} {
		if service == nil || service.Server == "" {
			continue
		}
		at := n.Get(key).Get("server")
		switch of := l.Server(service.Server); {
		case of == nil:
			d.errorf(at, "links/server", syntax.SuggestOr(service.Server, l.serverNames(), "servers"),
				"server %q is in no servers file", service.Server)
		case of.Abstract:
			d.errorf(at, "links/server", "name a profile that extends it", "server %q is abstract: it is only there to be "+
				"extended", service.Server)
		case of == s:
			d.errorf(at, "links/server", "leave server out: the profile's own server is meant then",
				"server %q names itself", service.Server)
		case of.Attach == "":
			d.errorf(at, "links/server", fmt.Sprintf("start it yourself, and give %s its address: attach: {url: …}", of.Name),
				"server %q has no address, and homellm starts one server at a time", of.Name)
		default:
			service.profile = of
		}
	}
}
