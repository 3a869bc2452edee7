package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
)

// preflightWords is the filler of a preflight prompt: long enough for several cache blocks of
// any engine.
const preflightWords = "One two three four five six seven eight nine ten eleven twelve. "

// preflight sends requests that are not part of the scenario, before anything is measured: that
// the model answers at all, and, where the profile reads an absent count of cached tokens as
// zero, that the server does report them. The same fresh prompt sent twice must be found in the
// cache the second time.
func (s *session) preflight(ctx context.Context) error {
	report := s.cell.Server.Capabilities.CacheReport
	rounds := 1
	if report.Verify && report.Source != "none" && report.Source != "" {
		rounds = 2
	}
	prompt := client.Prompt{
		MaxTokens: 1,
		Messages: []client.Message{{Role: "user", Content: salt(s.run.opt.Header.ID, s.cell.ID, s.attempt, pass{}, "preflight") + " " +
			strings.Repeat(preflightWords, 12)}},
		Extra: s.target.Body,
	}
	zero := 0.0
	prompt.Temperature = &zero
	var e event.Exchange
	for range rounds {
		e = s.client.Do(ctx, s.run.epoch, time.Now(), prompt)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.Err != nil {
			return s.refused(e.Err)
		}
	}
	switch {
	case rounds == 1:
	case e.Usage.Cached != nil && *e.Usage.Cached > 0:
		s.target.CacheKnown = true
		s.target.Facts.Capabilities = append(s.target.Facts.Capabilities, "cache_report_proven")
	case e.Usage.Cached != nil:
		s.target.CacheWhy = "self-test: the same prompt sent twice was reported as 0 cached tokens; is prefix caching on?"
	default:
		s.target.CacheWhy = "self-test: the same prompt sent twice reported no cached tokens" + reportHint(s.target.Facts.Engine)
	}
	return nil
}

// reportHint says how an engine is told to report cached tokens.
func reportHint(engine string) string {
	switch engine {
	case "vllm":
		return "; start vLLM with --enable-prompt-tokens-details"
	case "sglang":
		return "; start SGLang with --enable-cache-report"
	}
	return ""
}

// refused decides whether a failed preflight request means that this cell cannot run here. A
// server that answers with errors is measured all the same: its failures are what the run finds.
func (s *session) refused(e *event.Error) error {
	hints := map[string]string{
		"connect":         startHint(s.cell.Server),
		"model_not_found": "name a model that the server has with --model",
		"unauthorized":    "the profile's api_key says where the key is read from",
		"redirect":        "name the address that it redirects to",
	}
	if hint, fatal := hints[e.Class]; fatal {
		return advice{fmt.Errorf("%s does not answer: %s", s.target.Facts.URL, e.Message), hint}
	}
	s.target.CacheWhy = "the cache self-test failed: " + e.Message
	return nil
}
