package engine

import (
	"bytes"
	"testing"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
)

// What is kept is the first failed turn, else the slowest.
func TestRawKeeper(t *testing.T) {
	turn := func(ttft time.Duration, class string) *event.Exchange {
		x := &event.Exchange{Sent: new(time.Duration(0)), Chunks: []event.Chunk{{At: ttft}}}
		if class != "" {
			x.Err = &event.Error{Class: class}
		}
		return x
	}
	for name, tc := range map[string]struct {
		turns []*event.Exchange
		want  string
	}{
		"the slowest":                  {[]*event.Exchange{turn(2, ""), turn(5, ""), turn(3, "")}, "b"},
		"a failed one, however fast":   {[]*event.Exchange{turn(2, ""), turn(1, "reset"), turn(9, "")}, "b"},
		"the first of those like it":   {[]*event.Exchange{turn(2, ""), turn(2, "")}, "a"},
		"the slowest of failed ones":   {[]*event.Exchange{turn(1, "reset"), turn(3, "reset"), turn(9, "")}, "b"},
		"one that brought no token is": {[]*event.Exchange{{Err: &event.Error{Class: "connect"}}}, "a"},
	} {
		var k rawKeeper
		for i, x := range tc.turns {
			k.offer(rawTurn{Step: string(rune('a' + i))}, x, client.Raw{Body: [][]byte{{byte('a' + i)}}})
		}
		kept := map[string]string{}
		if err := k.write(func(name string, data ...[]byte) error {
			kept[name] = string(bytes.Join(data,
				nil))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if k.about.Step != tc.want || kept["worst-turn.body"] != tc.want || len(kept) != 2 {
			t.Errorf("%s: kept %q and %v, want %q", name, k.about.Step, kept, tc.want)
		}
		if (k.about.Error != "") != (tc.turns[int(tc.want[0]-'a')].Err != nil) {
			t.Errorf("%s: its error is %q", name, k.about.Error)
		}
	}
	if err := new(rawKeeper).write(func(string, ...[]byte) error {
		t.Error("something is kept of nothing")
		return nil
	}); err != nil {
		t.Error(err)
	}
}
