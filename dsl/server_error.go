package dsl

import (
	"fmt"

	"homellm/dsl/syntax"
)

// Errorf is an error about the profile, at its place in its file.
func (s *Server) Errorf(format string, args ...any) error {
	return s.errorAt(s.Pos, fmt.Errorf(format, args...))
}

// LaunchErrorf is an error about how the profile is started, at the place of its launch.
func (s *Server) LaunchErrorf(format string, args ...any) error {
	return s.errorAt(s.Launch.Pos, fmt.Errorf(format, args...))
}

func (s *Server) errorAt(pos syntax.Pos, err error) error {
	if pos.File == "" {
		return fmt.Errorf("server %s: %w", s.Name, err)
	}
	return fmt.Errorf("%s:%d: server %s: %w", pos.File, pos.Line, s.Name, err)
}
