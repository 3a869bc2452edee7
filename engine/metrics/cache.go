package metrics

import "homellm/engine/event"

// cached is the number of prompt tokens that came from the prefix cache, and the prompt's size.
func cached(q *event.Request) (cached, prompt int, why string) {
	switch {
	case uncounted(q) != "":
		return 0, 0, uncounted(q)
	case q.Cached == nil && q.CacheWhy != "":
		return 0, 0, q.CacheWhy
	case q.Cached == nil:
		return 0, 0, noCached
	case q.Usage.Prompt == nil:
		return 0, 0, noUsage
	case *q.Usage.Prompt <= 0:
		return 0, 0, "the server counted no prompt tokens"
	case *q.Cached < 0 || *q.Cached > *q.Usage.Prompt:
		return 0, 0, "the server reports more cached tokens than prompt tokens"
	}
	return *q.Cached, *q.Usage.Prompt, ""
}

func reusable(q *event.Request) (reusable, prompt int, why string) {
	switch {
	case uncounted(q) != "":
		return 0, 0, uncounted(q)
	case q.Reusable == nil && q.ReusableWhy != "":
		return 0, 0, q.ReusableWhy
	case q.Reusable == nil:
		return 0, 0, "the prompt was not compared with what the server had seen"
	case q.Usage.Prompt == nil:
		return 0, 0, noUsage
	case *q.Usage.Prompt <= 0:
		return 0, 0, "the server counted no prompt tokens"
	}
	return *q.Reusable, *q.Usage.Prompt, ""
}

// efficiency is the ratio of cached to reusable tokens.
func efficiency(_ *Cell, q *event.Request) (have, could float64, why string) {
	n, _, why := cached(q)
	if why != "" {
		return 0, 0, why
	}
	most, prompt, why := reusable(q)
	switch {
	case why != "":
		return 0, 0, why
	case float64(most) < 0.01*float64(prompt):
		return 0, 0, nothingReusable
	case float64(n-most) > max(foreign, 0.1*float64(most)):
		return 0, 0, tooMuch
	}
	return float64(n), float64(most), ""
}

// foreign is by how many tokens the cached tokens may exceed the ceiling without being wrong: blocks may have another
// size, the template may begin as other prompts do, or the ceiling may be an estimate.
const foreign = 64

// cacheSource names who reported the cached tokens.
func cacheSource(c *Cell, q *event.Request) string {
	switch {
	case q.CacheSource == "" || q.CacheSource == "none":
		if _, ok := c.timedTokens(q); ok {
			return timedSource
		}
		return "none"
	case q.CacheAssumed:
		return q.CacheSource + ", absent means 0"
	}
	return q.CacheSource
}

// efficiencySource names the sources of both sides of the ratio, if the ceiling is not exact.
func efficiencySource(c *Cell, q *event.Request) string {
	if q.ReusableSource == "estimated" {
		return cacheSource(c, q) + ", ceiling " + reusableSource(c, q)
	}
	return cacheSource(c, q)
}

// reusableSource says how the ceiling is known, and how precise an estimate is.
func reusableSource(c *Cell, q *event.Request) string {
	if q.ReusableSource == "" {
		return "none"
	}
	if q.ReusableSource == "estimated" && q.Estimate != nil {
		if e := c.Estimate(); e != nil {
			return e.String()
		}
	}
	return q.ReusableSource
}
