package server

import (
	"context"
	"fmt"
	"strings"

	"homellm/engine/engines"
)

// CanReset reports whether a way to drop the cache is known. [Side.VerifyReset] finds out whether it works.
func (s *Side) CanReset() bool { return s.engine.API.Reset != nil || s.config.ResetPath != "" }

// ResetCache asks the server to drop its prefix cache. A successful answer proves nothing (vLLM answers 200 when it
// refused): see [Side.VerifyReset]. The server must be idle.
func (s *Side) ResetCache(ctx context.Context) error {
	var err error
	api := s.engine.API
	// If the path resets only a part of the cache, the engine's own way resets all of it.
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

// Preload makes the server load its model if the engine loads on the first request, because that would count as the
// request's time. On other engines it does nothing.
func (s *Side) Preload(ctx context.Context) error {
	if s.engine.API.Load == nil {
		return nil
	}
	return s.engine.API.Load(ctx, s.at, s.target())
}

// Restores reports whether the state of a model in memory can be restored after a run.
func (s *Side) Restores() bool { return s.engine.API.Restore != nil }

// InMemory is the server's report of the model; nil if it is not in memory.
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

// Restore restores the state of the model: was is what [Side.InMemory] returned before the run.
func (s *Side) Restore(ctx context.Context, was *engines.LoadedModel) error {
	if err := s.engine.API.Restore(ctx, s.at, s.target(), was); err != nil {
		return fmt.Errorf("putting %s back as it was: %w", s.config.Model, err)
	}
	return nil
}

// Loaded asks the server which models are in memory, and with which context size.
func (s *Side) Loaded(ctx context.Context) ([]engines.LoadedModel, error) {
	if s.engine.API.Loaded == nil {
		return nil, fmt.Errorf("asking %s for the models in memory: %w", s.engine.Title, engines.ErrUnsupported)
	}
	return s.engine.API.Loaded(ctx, s.at)
}
