package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// CanReset reports whether a way to drop the cache is known. Whether it works is for
// [Side.VerifyReset] to say.
func (s *Side) CanReset() bool { return s.engine.reset != nil || s.config.ResetPath != "" }

// ResetCache asks the server to drop its prefix cache. A server that agrees has not proven
// anything (vLLM answers 200 when it refused): see [Side.VerifyReset]. The server must be idle.
func (s *Side) ResetCache(ctx context.Context) error {
	var err error
	// A path that names one of llama.cpp's slots leaves the others: the engine's own way erases all.
	oneSlot := s.engine.Name == "llamacpp" && strings.HasPrefix(s.config.ResetPath, "/slots/")
	switch {
	case s.config.ResetPath != "" && !oneSlot:
		r := call(ctx, s.client, s.config.ResetMethod, s.base+s.config.ResetPath, nil, sideLimit)
		if err = r.failure(); err != nil && s.config.ResetPath == "/reset_prefix_cache" {
			err = devMode(r, err)
		}
	case s.engine.reset != nil:
		err = s.engine.reset(ctx, s)
	default:
		err = ErrUnsupported
	}
	if err != nil {
		return fmt.Errorf("resetting the cache of %s: %w", s.engine.Title, err)
	}
	return nil
}

func resetVLLM(ctx context.Context, s *Side) error {
	r, err := s.post(ctx, "/reset_prefix_cache", nil)
	return devMode(r, err)
}

// devMode explains the 404 of a vLLM that hides its reset.
func devMode(r reply, err error) error {
	if r.status == http.StatusNotFound {
		return fmt.Errorf("%w; /reset_prefix_cache exists only with VLLM_SERVER_DEV_MODE=1 in the server's environment", err)
	}
	return err
}

func resetSGLang(ctx context.Context, s *Side) error {
	r, err := s.post(ctx, "/flush_cache", nil)
	if r.status == http.StatusBadRequest {
		return fmt.Errorf("%w; it flushes only when no request is running or waiting", err)
	}
	return err
}

// resetLlama erases every slot: a request may land on any of them.
func resetLlama(ctx context.Context, s *Side) error {
	slots := 1
	if props, err := s.Props(ctx); err == nil && props.TotalSlots != nil {
		slots = *props.TotalSlots
	}
	for id := range slots {
		r, err := s.post(ctx, fmt.Sprintf("/slots/%d?action=erase", id), nil)
		if err != nil {
			if r.status == http.StatusNotImplemented {
				return fmt.Errorf("%w; start llama-server with --slot-save-path DIR (and -cram 0, or its host-memory cache brings prompts back)", err)
			}
			return fmt.Errorf("erasing slot %d: %w", id, err)
		}
	}
	return nil
}

// unloadLimit bounds how long Ollama may take to let go of a model, loadLimit to load it.
const (
	unloadLimit = 30 * time.Second
	loadLimit   = 10 * time.Minute
)

// resetOllama unloads the model, which is the only thing that drops Ollama's cache, waits until
// it is gone, and loads it again so that the next request does not pay for that.
func resetOllama(ctx context.Context, s *Side) error {
	r := call(ctx, s.client, http.MethodPost, s.base+"/api/generate", map[string]any{"model": s.config.Model, "keep_alive": 0}, unloadLimit)
	if err := r.failure(); err != nil {
		return fmt.Errorf("unloading the model: %w", err)
	}
	deadline := time.Now().Add(unloadLimit)
	for {
		running, err := s.Running(ctx)
		if err != nil {
			return fmt.Errorf("waiting for the model to be unloaded: %w", err)
		}
		if !isRunning(running, s.config.Model) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is still loaded %v after it was told to unload", s.config.Model, unloadLimit)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return s.Preload(ctx)
}

// Preload has the server load its model, where the engine loads on the first request (Ollama):
// it would otherwise count as that request's time. On every other engine it does nothing.
func (s *Side) Preload(ctx context.Context) error {
	if s.engine.Name != "ollama" {
		return nil
	}
	body := map[string]any{"model": s.config.Model, "keep_alive": -1}
	if s.config.ContextTokens > 0 {
		// A later request with another num_ctx would load the model once more.
		body["options"] = map[string]any{"num_ctx": s.config.ContextTokens}
	}
	r := call(ctx, s.client, http.MethodPost, s.base+"/api/generate", body, loadLimit)
	if err := r.failure(); err != nil {
		return fmt.Errorf("loading %s: %w", s.config.Model, err)
	}
	// The reply is NDJSON of one line or more; the last says that it loaded.
	lines := strings.Split(strings.TrimSpace(string(r.body)), "\n")
	var last struct {
		Done  bool   `json:"done"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Error != "" || !last.Done {
		return fmt.Errorf("loading %s: %s", s.config.Model, shorten(string(r.body), 300))
	}
	return nil
}

// pause waits, or returns why the context ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
