package dsl

import (
	"regexp"
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// checkServer reports what is missing in a resolved profile, and settings that contradict each
// other.
func (d *decoder) checkServer(s *Server, n *syntax.Node, l *Library) {
	d.checkModelNames(n, l)
	d.checkLaunch(s, n)
	if s.Abstract {
		return
	}
	if s.Engine == "" {
		d.errorAt(s, n, "links/missing-key", "add engine:, or abstract: true if it is only to be extended", "profile %q does not say which engine it is", s.Name)
	}
	if s.Launch == nil && s.Attach == "" {
		d.errorAt(s, n, "links/missing-key", "add launch: to start a server, or attach: to use one that runs", "profile %q says neither how to start a server nor where one is", s.Name)
	}
	capabilities := n.Get("capabilities")
	if report := capabilities.Get("cache_report"); s.Capabilities.CacheReport.Source == "counters" && s.Capabilities.Metrics == "" {
		d.errorf(report.Get("source"), "links/capability", "add capabilities.metrics", "counters are read from a metrics endpoint, and the profile has none")
	}
}

// errorAt reports an error at the name of a profile.
func (d *decoder) errorAt(s *Server, n *syntax.Node, code, help, format string, args ...any) {
	name := &syntax.Node{Src: n.Src, Kind: syntax.StringKind, Scalar: s.Name, Line: s.Pos.Line, Col: s.Pos.Col, End: s.Pos.Col + len(s.Name)}
	d.errorf(name, code, help, format, args...)
}

func (d *decoder) checkModelNames(n *syntax.Node, l *Library) {
	for _, m := range d.list(n, "models") {
		if name := m.Text(); name != "any" && l.Model(name) == nil {
			d.errorf(m, "links/model", syntax.SuggestOr(name, l.modelNames(), "models"), "model %q is in no models file", name)
		}
	}
}

// launchNames are what ${…} may stand for in a launch.
var launchNames = []string{"port", "context_tokens", "model.name", "model.ref", "model.file", "model.served_name", "model.revision"}

var launchForm = regexp.MustCompile(`\$\{([^{}]*)\}?`)

func (d *decoder) checkLaunch(s *Server, n *syntax.Node) {
	launch := n.Get("launch")
	if launch == nil {
		return
	}
	launch.EachText(func(text *syntax.Node) {
		for _, m := range launchForm.FindAllStringSubmatch(text.Text(), -1) {
			if !slices.Contains(launchNames, m[1]) || !strings.HasSuffix(m[0], "}") {
				d.errorf(text, "links/reference", syntax.SuggestOr(m[1], launchNames, "possible"), "%s refers to nothing that a launch has", m[0])
			}
		}
	})
	flags := launch.Get("flags")
	if flags == nil {
		return
	}
	for _, e := range flags.Entries {
		d.checkFlagName(e, s.Engine, flags)
	}
	d.checkFlagValues(s, flags)
}
