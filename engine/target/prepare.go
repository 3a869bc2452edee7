package target

import (
	"context"
	"fmt"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/server"
)

// Prepare loads the model, and asks what only a server with a loaded model reports: the context in force, and whether
// its tokeniser works. Remarks go to note.
func (t *Target) Prepare(ctx context.Context, cell *dsl.Cell, note func(code, format string, args ...any)) error {
	if t.keep != nil {
		t.keep(ctx)
	}
	if t.Side != nil {
		if err := t.Side.Preload(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return server.WithHint(fmt.Errorf("%s: %w", t.Facts.URL, err),
				"look at the server's own log, or choose a smaller model")
		}
		t.learnContext(ctx, note)
		if err := checkContext(cell, t.Facts); err != nil {
			return err
		}
	}
	if t.Tokenize == nil {
		return nil
	}
	// A tokeniser that does not work is not used: an estimate is better.
	if _, err := t.Tokenize(ctx, []dsl.Message{{Role: "user", Content: "Hello"}}); err != nil && ctx.Err() == nil {
		t.Tokenize = nil
		note("no_tokeniser", "the server's tokeniser does not work, so the prompts are counted here: %v", err)
	}
	return nil
}

// learnContext asks for the context in force once the model is loaded, if the server reports it then.
func (t *Target) learnContext(ctx context.Context, note func(code, format string, args ...any)) {
	engine := engines.Of(t.Facts.Engine)
	if t.told || engine.API.Loaded == nil {
		return
	}
	loaded, err := t.Side.Loaded(ctx)
	if err != nil {
		return // it stays unknown
	}
	tag := engine.Models.DefaultTag
	for _, m := range loaded {
		if m.Name == t.Facts.Model || m.Name == t.Facts.Model+tag {
			if m.ContextTokens != nil {
				t.Facts.ContextTokens = m.ContextTokens
			}
			if m.ContextTokens != nil && engine.Models.OnRequest {
				t.Context = *m.ContextTokens
			}
			if share, ok := m.GPUShare(); ok && share > 0 && share < 1 {
				note("partly_on_cpu", "%.0f %% of the model are in GPU memory; the rest is computed by the processor", 100*share)
			}
		}
	}
}
