package metrics

import (
	"maps"
	"slices"
)

// Wire describes how a server framed its replies to the measured turns of a cell, to explain a surprising time to
// first token or token rate.
type Wire struct {
	Turns         int      `json:"turns"`          // replies with an HTTP status
	Protocols     []string `json:"protocols"`      // HTTP/1.1, HTTP/2.0
	ContentTypes  []string `json:"content_types"`  //
	Framings      []string `json:"framings"`       // sse, ndjson, json
	RoleEarly     int      `json:"role_early"`     // replies in which a chunk without text came before the first token
	ReasoningKeys []string `json:"reasoning_keys"` // keys that carried reasoning
	UsageIn       []string `json:"usage_in"`       // where the token counts were
	DoneMarker    int      `json:"done_marker"`    // replies that ended with [DONE] or done: true
	Reused        int      `json:"reused"`         // requests on a connection that an earlier one used
	Comments      int      `json:"comments"`       // keep-alive comments
	Events        int      `json:"events"`
	Reads         int      `json:"reads"`         // reads that delivered bytes
	StampedBy     []string `json:"stamped_by"`    // who stamped the arrivals: kernel, reader
	CoalescedMax  int      `json:"coalesced_max"` // most deltas in one read, which share an arrival time
	Chunks        int      `json:"chunks"`        // deltas with text
	ChunkTokens   *float64 `json:"chunk_tokens"`  // output tokens per chunk; nil without token counts
}

// Wire folds the framing of the measured turns.
func (c *Cell) Wire() Wire {
	var w Wire
	sets := map[*[]string]map[string]bool{&w.Protocols: {}, &w.ContentTypes: {}, &w.Framings: {}, &w.ReasoningKeys: {},
		&w.UsageIn: {}, &w.StampedBy: {}}
	see := func(set *[]string, word string) {
		if word != "" {
			sets[set][word] = true
		}
	}
	tokens, counted := 0, 0
	for _, q := range c.Measured(Group{}) {
		if q.Status == 0 {
			continue
		}
		x := q.Wire
		w.Turns++
		see(&w.Protocols, x.Protocol)
		see(&w.ContentTypes, x.ContentType)
		see(&w.Framings, x.Framing)
		see(&w.ReasoningKeys, x.ReasoningKey)
		see(&w.UsageIn, x.UsageIn)
		see(&w.StampedBy, x.StampedBy)
		w.RoleEarly += one(x.RoleEarly)
		w.DoneMarker += one(x.DoneMarker)
		w.Reused += one(x.Reused)
		w.Comments += x.Comments
		w.Events += x.Events
		w.Reads += x.Reads
		w.CoalescedMax = max(w.CoalescedMax, x.CoalescedMax)
		w.Chunks += len(q.Chunks)
		if n, why := output(q); why == "" && len(q.Chunks) > 0 {
			tokens += n
			counted += len(q.Chunks)
		}
	}
	for set, words := range sets {
		*set = append([]string{}, slices.Sorted(maps.Keys(words))...)
	}
	if counted > 0 {
		v := float64(tokens) / float64(counted)
		w.ChunkTokens = &v
	}
	return w
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
