package engines

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	for v, want := range map[float64]int{0: 0, 7: 7, mostTokens: mostTokens} {
		if n, ok := Tokens(v); !ok || n != want {
			t.Errorf("%v: %d, %v", v, n, ok)
		}
	}
	for _, v := range []float64{-1, 0.5, mostTokens * 2, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
		if n, ok := Tokens(v); ok || n != 0 {
			t.Errorf("%v is %d tokens", v, n)
		}
	}
}

// What no server has is as if it had said nothing.
func TestBelieve(t *testing.T) {
	for _, bad := range []int{0, -1, 1 << 62, math.MinInt, math.MaxInt} {
		f := Facts{BlockTokens: &bad, Slots: &bad, Models: []Model{{ContextTokens: &bad, TrainedTokens: &bad}}}
		f.Believe()
		m := f.Models[0]
		if f.BlockTokens != nil || f.Slots != nil || m.ContextTokens != nil || m.TrainedTokens != nil {
			t.Errorf("%d is believed: %+v", bad, f)
		}
	}
	good := 256
	f := Facts{BlockTokens: &good, Slots: &good, Models: []Model{{ContextTokens: &good}}}
	f.Believe()
	if f.BlockTokens == nil || f.Slots == nil || f.Models[0].ContextTokens == nil {
		t.Errorf("256 is not believed: %+v", f)
	}
}

// labels is an exposition of labels alone.
type labels struct {
	Exposition
	values map[string]string
}

func (l labels) Label(_, name string) (string, bool) { v, ok := l.values[name]; return v, ok }

func TestBlockTokensOfMetrics(t *testing.T) {
	c := CacheConfig{Family: "f", Block: "block_size"}
	for text, want := range map[string]bool{"16": true, "8192": true,
		"17179869184": false, "-16": false, "0": false, "x": false} {
		if n, ok := c.BlockTokens(labels{values: map[string]string{"block_size": text}}); ok != want {
			t.Errorf("%s: %d, %v", text, n, ok)
		}
	}
}

// props answers /props, and counts what is erased.
type props struct {
	Server
	slots  string
	erased int
}

func (p *props) Call(_ context.Context, _, path string, _ any, _ time.Duration) Response {
	if strings.HasPrefix(path, "/slots/") {
		p.erased++
	}
	return Response{Status: http.StatusOK, Kind: "application/json",
		Body: []byte(`{"build_info":"b1","total_slots":` + p.slots + `}`)}
}

// Slots are erased one by one: a server that says it has 2^62 of them would have us do so for ever, and one that says
// it has none, or fewer, would be taken for empty.
func TestResetOfSlots(t *testing.T) {
	for slots, want := range map[string]int{"2": 2, "4611686018427387904": 0, "-1": 0, "0": 0} {
		p := &props{slots: slots}
		err := resetLlama(t.Context(), p, Target{})
		if p.erased != want || (err == nil) != (want > 0) {
			t.Errorf("%s slots: %d erased, %v", slots, p.erased, err)
		}
	}
}
