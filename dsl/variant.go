package dsl

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"homellm/dsl/syntax"
)

// Variants are the alternatives of one setting of a server, such as the size of its batches. A run chooses one of them,
// or none.
type Variants struct {
	Pos    syntax.Pos
	Name   string
	Values []Variant
}

// Variant is one alternative, with what it sets differently from its profile.
type Variant struct {
	Pos           syntax.Pos
	Name          string
	Env           []Flag
	Flags         []Flag
	ContextTokens int // 0: that of the profile
}

// Instance names the server in logs, records of processes and results: a profile is another server with each choice of
// its variants.
func (s *Server) Instance() string {
	if len(s.Chosen) == 0 {
		return s.Name
	}
	var parts []string
	for _, l := range s.Chosen {
		parts = append(parts, l.Name+"="+l.Value)
	}
	return s.Name + "@" + strings.Join(parts, ",")
}

// With returns the profile with a choice of its variants, or says what is wrong with the choice and what helps.
func (s *Server) With(chosen []Label) (out *Server, wrong, help string) {
	if len(chosen) == 0 {
		return s, "", ""
	}
	ordered, wrong, help := s.choice(chosen)
	if wrong != "" {
		return nil, wrong, help
	}
	with, launch := *s, *s.Launch
	with.Chosen = ordered
	for _, l := range ordered {
		v := s.variant(l)
		launch.Env, launch.Flags = overlaid(launch.Env, v.Env), overlaid(launch.Flags, v.Flags)
		with.ContextTokens = cmp.Or(v.ContextTokens, with.ContextTokens)
	}
	with.Launch = &launch
	return &with, "", ""
}

// choice checks a choice, and puts it into the order of the profile.
func (s *Server) choice(chosen []Label) (ordered []Label, wrong, help string) {
	switch {
	case len(s.Variants) == 0:
		return nil, fmt.Sprintf("server %s has no variants", s.Name), "add variants: to its profile, or name another one " +
			"with --server"
	case s.Launch == nil || s.Attach != "":
		return nil, fmt.Sprintf("server %s is not started by homellm, so its variants have no effect", s.Name),
			"name a profile that is started"
	}
	var names []string
	for _, v := range s.Variants {
		names = append(names, v.Name)
	}
	for i, l := range chosen {
		at := slices.Index(names, l.Name)
		if at < 0 {
			return nil, fmt.Sprintf("server %s has no variants %q", s.Name, l.Name),
				syntax.SuggestOr(l.Name, names, "it has")
		}
		if slices.ContainsFunc(chosen[:i], func(o Label) bool { return o.Name == l.Name }) {
			return nil, fmt.Sprintf("%s is chosen twice", l.Name), "a server is started with one of them"
		}
		if s.variant(l) == nil {
			var values []string
			for _, v := range s.Variants[at].Values {
				values = append(values, v.Name)
			}
			return nil, fmt.Sprintf("%s of server %s has no variant %q", l.Name, s.Name, l.Value),
				syntax.SuggestOr(l.Value, values, "it has")
		}
	}
	for _, name := range names {
		if at := slices.IndexFunc(chosen, func(l Label) bool { return l.Name == name }); at >= 0 {
			ordered = append(ordered, chosen[at])
		}
	}
	return ordered, "", ""
}

// variant is the chosen alternative, or nil.
func (s *Server) variant(chosen Label) *Variant {
	for _, v := range s.Variants {
		for i := range v.Values {
			if v.Name == chosen.Name && v.Values[i].Name == chosen.Value {
				return &v.Values[i]
			}
		}
	}
	return nil
}

// Choices are all combinations of the server's variants that agree with a choice, the last one changing fastest.
func (s *Server) Choices(fixed []Label) [][]Label {
	out := [][]Label{nil}
	for _, v := range s.Variants {
		var next [][]Label
		for _, c := range out {
			for _, value := range v.Values {
				l := Label{v.Name, value.Name}
				if !slices.ContainsFunc(fixed, func(f Label) bool { return f.Name == l.Name && f != l }) {
					next = append(next, append(slices.Clip(c), l))
				}
			}
		}
		out = next
	}
	return out
}

// tunedProfile is a profile with what variants set differently.
type tunedProfile struct {
	Extends       string       `json:"extends"`
	ContextTokens int          `json:"context_tokens,omitempty"`
	Launch        *tunedLaunch `json:"launch,omitempty"`
}

type tunedLaunch struct {
	Env   map[string]any `json:"env,omitempty"`
	Flags map[string]any `json:"flags,omitempty"`
}

// Tuned is a servers file in YAML, with a profile that starts the server with the chosen variants.
func (s *Server) Tuned() (string, error) {
	p := tunedProfile{Extends: s.Name}
	launch := tunedLaunch{Env: map[string]any{}, Flags: map[string]any{}}
	for _, l := range s.Chosen {
		v := s.variant(l)
		for _, f := range v.Env {
			launch.Env[f.Name] = f.Value
		}
		for _, f := range v.Flags {
			launch.Flags[f.Name] = f.Value
		}
		p.ContextTokens = cmp.Or(v.ContextTokens, p.ContextTokens)
	}
	if len(launch.Env)+len(launch.Flags) > 0 {
		p.Launch = &launch
	}
	data, err := json.Marshal(map[string]any{s.Name + "-tuned": p})
	if err == nil {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return "", fmt.Errorf("writing the profile of %s: %w", s.Instance(), err)
	}
	lines := strings.TrimRight(string(data), "\n")
	return "schema: homellm.servers/v1\nservers:\n  " + strings.ReplaceAll(lines, "\n", "\n  ") + "\n", nil
}

// overlaid is a list of flags with some set to other values: in their places, new ones at the end. Null removes one.
func overlaid(flags, over []Flag) []Flag {
	out := slices.Clone(flags)
	for _, f := range over {
		if at := slices.IndexFunc(out, func(o Flag) bool { return o.Name == f.Name }); at >= 0 {
			out[at] = f
		} else {
			out = append(out, f)
		}
	}
	return slices.DeleteFunc(out, func(f Flag) bool { return f.Value == nil })
}
