package dsl

import (
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/engines"
)

// Attach adds a profile for a running server that no file names: with what is known of its engine, but without what
// would start it. It returns the profile's name. An unknown engine is taken for a plain OpenAI-compatible server.
func (l *Library) Attach(name, engine, address string) string {
	base := l.profileOf(engine)
	if base == nil {
		base = l.profileOf(engines.WithRole(engines.Generic).Name)
	}
	s := Server{Address: Address{BasePath: "/v1"}, Engine: engine}
	if base != nil {
		s = *base
	}
	s.Name, s.Description, s.Attach = name, "", address
	s.Pos = syntax.Pos{} // it is in no file
	s.Launch, s.Variants, s.Abstract, s.Models, s.ContextTokens, s.Port = nil, nil, false, nil, 0, 0
	// A server that a file declares may need a key that this one does not.
	s.APIKey = Secret{}
	l.Servers = slices.DeleteFunc(l.Servers, func(o *Server) bool { return o.Name == name })
	l.Servers = append(l.Servers, &s)
	return name
}

// profileOf is the most general profile of an engine: the abstract one if there is one.
func (l *Library) profileOf(engine string) *Server {
	var found *Server
	for _, s := range l.Servers {
		if s.Engine == engine && (found == nil || s.Abstract && !found.Abstract) {
			found = s
		}
	}
	return found
}

// Library is the resolved profiles and models of the servers and models files, in the order in which they first
// appear.
type Library struct {
	Servers   []*Server
	Models    []*Model
	Templates []*Template // every definition, in the order of the files: a later one replaces an earlier one

	trees []*tree // the files it was read from
}

// Server returns the profile of a name, or nil.
func (l *Library) Server(name string) *Server {
	if l == nil {
		return nil
	}
	for _, s := range l.Servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Model returns the model that a name means, or nil. It looks for a model's own name, an alias, or an engine's name
// for it, in this order, ignoring case. Any other name is no model, however similar: two quantisations of a model are
// two models.
func (l *Library) Model(name string) *Model {
	if l == nil || name == "" {
		return nil
	}
	rules := []func(*Model) bool{
		func(m *Model) bool { return strings.EqualFold(m.Name, name) },
		func(m *Model) bool {
			return slices.ContainsFunc(m.Aliases, func(a string) bool { return strings.EqualFold(a, name) })
		},
		func(m *Model) bool {
			for _, e := range m.Engines {
				if strings.EqualFold(e.Ref, name) || strings.EqualFold(e.ServedName, name) {
					return true
				}
			}
			return false
		},
	}
	for _, rule := range rules {
		if i := slices.IndexFunc(l.Models, rule); i >= 0 {
			return l.Models[i]
		}
	}
	return nil
}

// Recognise returns the model that a server means by a name, or nil: what Model returns, else the one with the
// longest matching pattern. Its context, template and architecture apply to what is served; its weights may differ.
func (l *Library) Recognise(name string) *Model {
	if m := l.Model(name); m != nil || l == nil {
		return m
	}
	var best *Model
	length := 0
	for _, m := range l.Models {
		for _, p := range m.Patterns {
			if len(p) > length && matches(strings.ToLower(p), strings.ToLower(name)) {
				best, length = m, len(p)
			}
		}
	}
	return best
}

// matches reports whether a text matches a pattern in which * is any text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// Adopt adds a server's name for its model, so that it can be requested by that name. The entry has what is known of
// the model that the name is recognised as, except its sources and quantisation.
func (l *Library) Adopt(name string) {
	of := l.Recognise(name)
	if of == nil || l.Model(name) != nil {
		return
	}
	m := *of
	m.Name, m.Pos = name, syntax.Pos{}
	m.Aliases, m.Patterns, m.Sources, m.Engines = nil, nil, nil, nil
	l.Models = append(l.Models, &m)
}

// SuggestModel suggests a model for an unknown name; empty: none is similar.
func (l *Library) SuggestModel(name string) string {
	if near := syntax.Suggest(name, l.modelNames()); near != "" {
		return near
	}
	if m := l.Recognise(name); m != nil {
		return fmt.Sprintf("did you mean %q? A name is never taken for another model", m.Name)
	}
	return ""
}

func (l *Library) serverNames() []string {
	var names []string
	for _, s := range l.Servers {
		if !s.Abstract {
			names = append(names, s.Name)
		}
	}
	return names
}

func (l *Library) modelNames() []string {
	var names []string
	for _, m := range l.Models {
		names = append(names, m.Name)
		names = append(names, m.Aliases...)
	}
	return names
}
