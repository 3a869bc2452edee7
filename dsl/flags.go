package dsl

import (
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/engines"
)

// checkFlagName warns of a flag that is spelt almost like one that the engine has: it would refuse to start after a
// minute, or worse, take another for it.
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
		d.add(syntax.Warning, name, "links/flag", help, fmt.Sprintf("%s is no flag of %s that homellm knows", e.Key, engine))
	}
}

// checkFlagValues holds the flags of a profile against what its engine takes, and against each other.
func (d *decoder) checkFlagValues(s *Server, flags *syntax.Node) {
	values := engines.Values{}
	for _, e := range flags.Entries {
		if e.Node != nil {
			values[e.Key] = e.Node.Scalar
		}
	}
	profile := engines.Profile{ContextTokens: s.ContextTokens, Port: s.Port}
	for _, check := range engines.Of(s.Engine).Launch.Flags.Checks {
		v := flags.Get(check.Flag)
		if v == nil || v.Reference != "" {
			continue
		}
		f := check.Value(v.Scalar, values, profile)
		if f == nil {
			continue
		}
		severity, help := syntax.Warning, f.Help
		if f.Wrong {
			severity = syntax.Error
		}
		if len(f.Known) > 0 {
			help = syntax.SuggestOr(format(v.Scalar), f.Known, "known")
		}
		d.add(severity, v, "links/flag", help, f.Message)
	}
}
