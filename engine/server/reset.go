package server

import (
	"context"
	"fmt"
	"strings"

	"homellm/engine/engines"
)

// CanReset reports whether a way to drop the cache is known. Whether it works is for
// [Side.VerifyReset] to say.
func (s *Side) CanReset() bool { return s.engine.API.Reset != nil || s.config.ResetPath != "" }

// ResetCache asks the server to drop its prefix cache. A server that agrees has not proven
// anything (vLLM answers 200 when it refused): see [Side.VerifyReset]. The server must be idle.
func (s *Side) ResetCache(ctx context.Context) error {
	var err error
	api := s.engine.API
	// Where the path resets a part of the cache only, the engine's own way resets all of it.
	partial := api.PartialReset != "" && strings.HasPrefix(s.config.ResetPath, api.PartialReset)
	switch {
	case s.config.ResetPath != "" && !partial:
		r := s.at.Call(ctx, s.config.ResetMethod, s.config.ResetPath, nil, engines.SideLimit)
		if err = r.Failure(); err != nil && api.ExplainReset != nil {
			err = api.ExplainReset(r, err)
		}
	case s.engine.API.Reset != nil:
		err = api.Reset(ctx, s.at, s.target())
	default:
		err = engines.ErrUnsupported
	}
	if err != nil {
		return fmt.Errorf("resetting the cache of %s: %w", s.engine.Title, err)
	}
	return nil
}

// Preload has the server load its model, where the engine loads on the first request: it would otherwise count as that
// request's time. On every other engine it does nothing.
func (s *Side) Preload(ctx context.Context) error {
	if s.engine.API.Load == nil {
		return nil
	}
	return s.engine.API.Load(ctx, s.at, s.target())
}

// Restores reports whether what a run changes of a model in memory can be put back.
func (s *Side) Restores() bool { return s.engine.API.Restore != nil }

// InMemory is what the server says of the model: nil if it is not in memory.
func (s *Side) InMemory(ctx context.Context) (*engines.LoadedModel, error) {
	loaded, err := s.Loaded(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range loaded {
		if m.Name == s.config.Model || m.Name == s.config.Model+s.engine.Models.DefaultTag {
			return &m, nil
		}
	}
	return nil, nil
}

// Restore puts back what a run has changed of the model: was is what [Side.InMemory] said before.
func (s *Side) Restore(ctx context.Context, was *engines.LoadedModel) error {
	if err := s.engine.API.Restore(ctx, s.at, s.target(), was); err != nil {
		return fmt.Errorf("putting %s back as it was: %w", s.config.Model, err)
	}
	return nil
}

// Loaded asks the server which models are in memory, and with which context.
func (s *Side) Loaded(ctx context.Context) ([]engines.LoadedModel, error) {
	if s.engine.API.Loaded == nil {
		return nil, fmt.Errorf("asking %s for the models in memory: %w", s.engine.Title, engines.ErrUnsupported)
	}
	return s.engine.API.Loaded(ctx, s.at)
}
