package target

import (
	"fmt"
	"maps"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
	"homellm/engine/server"
	"homellm/engine/wire"
)

// checkContext checks that the served context holds the longest prompt of the cell and its reply.
func checkContext(cell *dsl.Cell, facts event.Server) error {
	need := cell.ContextNeed()
	if facts.ContextTokens == nil || need <= *facts.ContextTokens {
		return nil
	}
	return server.WithHint(
		fmt.Errorf("the cell needs a context of %d tokens and %s serves %d", need, facts.URL, *facts.ContextTokens),
		"serve the model with a longer context, or leave long conversations out with --exclude-tags",
	)
}

// requestContext is the context size that every request must ask for, because the server would otherwise use its
// default and truncate longer prompts: Ollama's num_ctx, which only its own API accepts. 0 if requests do not choose.
func requestContext(cell *dsl.Cell, found server.Found, model string) int {
	if !choosesContext(found.Engine, cell.Server.API) {
		return 0
	}
	if options, ok := cell.Server.Body["options"].(map[string]any); ok {
		if n, ok := options["num_ctx"].(int); ok {
			return n
		}
	}
	if n := cell.Server.ContextTokens; n > 0 {
		return n
	}
	// A loaded context that is large enough stays: another num_ctx would load the model again.
	need := cell.ContextNeed()
	for _, of := range []func(string) (int, bool){found.Context, found.Default} {
		if n, ok := of(model); ok && n >= need {
			return n
		}
	}
	return max(ollamaContext, (need+need/4+1023)/1024*1024)
}

// choosesContext reports whether requests of an API set the context size of the model.
func choosesContext(engine string, api wire.API) bool {
	e := engines.Of(engine)
	return e.Models.OnRequest && api == e.API.Dialect
}

// ollamaContext is the least context to ask for, Ollama's default for small cards. A plan's token counts are
// estimates for most models, so a quarter is added.
const ollamaContext = 4096

// withContext adds num_ctx to the extra keys of every request.
func withContext(body map[string]any, tokens int) map[string]any {
	if tokens == 0 {
		return body
	}
	out := maps.Clone(body)
	if out == nil {
		out = map[string]any{}
	}
	options := map[string]any{}
	if given, ok := out["options"].(map[string]any); ok {
		options = maps.Clone(given)
	}
	options["num_ctx"] = tokens
	out["options"] = options
	if _, set := out["keep_alive"]; !set {
		out["keep_alive"] = -1 // a model that is unloaded between turns would be measured while it loads
	}
	return out
}
