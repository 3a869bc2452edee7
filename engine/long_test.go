//go:build unix

package engine_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homellm/engine/processor"
	"homellm/engine/sim"
	"homellm/engine/target"
)

// The processor time of a conversation grows with its turns, and with the square of them only as far as the bytes do
// that are sent. Five times the turns cost 25 times as much where every turn looks at the history again.
func TestLongConversation(t *testing.T) {
	few, many := playLong(t, 80), playLong(t, 400)
	t.Logf("%v and %v", few, many)
	if most := 10; many > time.Duration(most)*few {
		t.Errorf("80 turns took %v of processor time and 400 turns %v, want at most %d times as much", few, many, most)
	}
}

// playLong plans and plays a conversation of so many turns on a server that does nothing, and returns the processor
// time, the smaller of two.
func playLong(t *testing.T, turns int) time.Duration {
	t.Helper()
	var b strings.Builder
	b.WriteString(`schema: homellm.scenario/v1
name: long
defaults:
  history: recorded
  timeout: 10s
  request: {temperature: 0, seed: 1, max_tokens: 8}
run: {warmup: 0, repeats: 1, isolation: {cache: none}}
conversations:
  - id: main
    system: Be brief.
    steps:
`)
	for i := range turns {
		fmt.Fprintf(&b, "      - {id: s%d, ask: \"What is next, after %d?\", reply: \"The next is %d.\"}\n", i, i, i+1)
	}
	best := time.Duration(1<<63 - 1)
	for range 2 {
		before, _ := processor.Time()
		synctest.Test(t, func(t *testing.T) {
			dial, shut := sim.Pipe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, _ := io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],"+
					"\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n", n/4)
			}))
			defer shut()
			plan := load(t, "long.yaml", []byte(b.String()), library(t))
			g := &rig{target: func(to *target.Target) { to.Client.Dial, to.Side, to.Tokenize = dial, nil, nil }}
			_ = g.try(t, plan, simulator(t, sim.Config{})) // what it says of the server is not the question
		})
		after, _ := processor.Time()
		best = min(best, after-before)
	}
	return best
}
