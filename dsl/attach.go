package dsl

import (
	"slices"

	"homellm/engine/engines"
)

// Attach adds a profile for a running server that no file names: what is known of its engine,
// without what would start it, and returns the profile's name. An engine that no profile has is
// taken for a plain OpenAI-compatible server.
func (l *Library) Attach(name, engine, address string) string {
	base := l.profileOf(engine)
	if base == nil {
		base = l.profileOf(engines.WithRole(engines.Generic).Name)
	}
	s := Server{BasePath: "/v1", Engine: engine}
	if base != nil {
		s = *base
	}
	s.Name, s.Description, s.Attach = name, "", address
	s.Launch, s.Abstract, s.Models, s.ContextTokens, s.Port = nil, false, nil, 0, 0
	// A server that a file declares may need a key that this one does not.
	s.APIKey = Secret{}
	l.Servers = slices.DeleteFunc(l.Servers, func(o *Server) bool { return o.Name == name })
	l.Servers = append(l.Servers, &s)
	return name
}

// profileOf is the profile that says most generally what an engine can do: the abstract one if
// there is one.
func (l *Library) profileOf(engine string) *Server {
	var found *Server
	for _, s := range l.Servers {
		if s.Engine == engine && (found == nil || s.Abstract && !found.Abstract) {
			found = s
		}
	}
	return found
}
