package metrics

import (
	"fmt"
	"strings"

	"homellm/engine/event"
)

// cacheTiers are the metrics of the caches that a server keeps beside each other.
var cacheTiers = []Def{
	{Name: "cache.local_tokens", Unit: "tokens", Kind: Int, Better: +1, Levels: turns, Fold: Sum, Source: "server",
		Support: Tiers,
		Doc:     "cached prompt tokens that were in the memory of the processor that computes",
		Formula: "as the server counts them, or cache.cached_tokens - cache.offloaded_tokens; unknown if the server does " +
			"not tell its caches apart, or if its parts are not the whole",
		each: tier(func(t tiers) any { return t.local })},
	{Name: "cache.offloaded_tokens", Unit: "tokens", Kind: Int, Levels: turns, Fold: Sum, Source: "server", Support: Tiers,
		Doc: "cached prompt tokens that were loaded from elsewhere: the host's memory, a disk, another server",
		Formula: "as the server counts them, or cache.cached_tokens - cache.local_tokens; unknown if the server does not " +
			"tell its caches apart, or if its parts are not the whole",
		each: tier(func(t tiers) any { return t.offloaded })},
	{Name: "cache.tiers", Kind: String, Levels: turns, Source: "server", Support: Tiers,
		Doc:     "which of the server's caches the prompt tokens came from, in the server's own division",
		Formula: "local, host, storage or external, each with its tokens",
		each:    tier(func(t tiers) any { return t.said })},
}

// tiers say which of a server's caches the tokens of a prompt came from.
type tiers struct {
	local, offloaded int
	said             string // in the server's own division
}

// elsewhere are the caches that are not the processor's own memory, by the names of their figures.
var elsewhere = []string{"host", "storage", "external"}

// tier is one figure of the tiers of a reply.
func tier(of func(tiers) any) func(*Cell, *event.Request) (any, string) {
	return func(_ *Cell, q *event.Request) (any, string) {
		t, why := tiersOf(q)
		if why != "" {
			return nil, why
		}
		return of(t), ""
	}
}

// tiersOf reads what the server says of its caches. Its parts have to be the whole that the self-test has proven: a
// server that counts one of them only is not believed about the rest unless it fits.
func tiersOf(q *event.Request) (t tiers, why string) {
	n, _, why := cached(q)
	if why != "" {
		return tiers{}, why
	}
	local, toldLocal := q.Timings["cache.local_tokens"]
	t.local = int(local)
	toldAway := false
	var parts []string
	for _, name := range elsewhere {
		if v, told := q.Timings["cache."+name+"_tokens"]; told {
			toldAway, t.offloaded = true, t.offloaded+int(v)
			parts = append(parts, fmt.Sprintf("%s %d", name, int(v)))
		}
	}
	switch {
	case !toldLocal && !toldAway:
		return tiers{}, noTiers
	case !toldLocal:
		t.local = n - t.offloaded
	case !toldAway:
		t.offloaded = n - t.local
		parts = append(parts, fmt.Sprintf("elsewhere %d", t.offloaded))
	}
	if t.local < 0 || t.offloaded < 0 || t.local+t.offloaded != n {
		return tiers{}, fmt.Sprintf("the server counts %d cached tokens in all, and %d local and %d offloaded ones", n,
			t.local, t.offloaded)
	}
	t.said = strings.Join(append([]string{fmt.Sprintf("local %d", t.local)}, parts...), ", ")
	return t, ""
}

const noTiers = "the server does not tell local from offloaded tokens of its cache"
