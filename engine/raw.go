package engine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
)

// rawKeeper keeps the bytes of the worst measured reply: a failed one before any that succeeded, else the one with
// the longest time to first token. They show what was on the wire when a figure is surprising.
type rawKeeper struct {
	mu     sync.Mutex // several replies may end at the same time
	failed bool
	ttft   time.Duration
	about  rawTurn
	body   [][]byte
}

// rawTurn says which turn the bytes belong to and when they arrived.
type rawTurn struct {
	Cell         string      `json:"cell"`
	Repeat       int         `json:"repeat"`
	Play         int         `json:"play,omitempty"`
	User         int         `json:"user,omitempty"`
	Conversation string      `json:"conversation"`
	Item         int         `json:"item,omitempty"`
	Step         string      `json:"step"`
	Turn         int         `json:"turn"`
	Error        string      `json:"error,omitempty"`
	TTFT         *float64    `json:"ttft_ms"`
	Header       http.Header `json:"header"`
	Reads        []rawRead   `json:"reads"`
}

// rawRead is one piece of the body as it arrived, in nanoseconds since the start of the run.
type rawRead struct {
	At    time.Duration `json:"at_ns"`
	Bytes int           `json:"bytes"`
}

func (k *rawKeeper) offer(about rawTurn, x *event.Exchange, raw client.Raw) {
	k.mu.Lock()
	defer k.mu.Unlock()
	failed := x.Err != nil
	var ttft time.Duration
	if x.Sent != nil && len(x.Chunks) > 0 {
		ttft = x.Chunks[0].At - *x.Sent
		ms := event.Milliseconds(ttft)
		about.TTFT = &ms
	}
	worse := failed && !k.failed || failed == k.failed && ttft > k.ttft
	if k.about.Step != "" && !worse {
		return
	}
	if failed {
		about.Error = x.Err.Class
	}
	about.Header = raw.Header
	for _, r := range raw.Reads {
		about.Reads = append(about.Reads, rawRead{r.At, r.Bytes})
	}
	k.failed, k.ttft, k.about, k.body = failed, ttft, about, raw.Body
}

// write passes on what was kept: the body as it came, and a description.
func (k *rawKeeper) write(keep func(name string, data ...[]byte) error) error {
	if k.about.Step == "" {
		return nil
	}
	about, err := json.MarshalIndent(k.about, "", "  ")
	if err != nil {
		return fmt.Errorf("describing the raw reply: %w", err)
	}
	if err := keep("worst-turn.body", k.body...); err != nil {
		return fmt.Errorf("keeping the raw reply: %w", err)
	}
	if err := keep("worst-turn.json", about); err != nil {
		return fmt.Errorf("keeping the raw reply: %w", err)
	}
	return nil
}
