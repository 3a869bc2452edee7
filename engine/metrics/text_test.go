package metrics

import (
	"math"
	"testing"

	"homellm/engine/event"
)

func TestRepetition(t *testing.T) {
	for text, want := range map[string]any{
		"a b c d e f g h":                 0.0,
		"a b c d a b c d":                 0.2, // five sequences: abcd bcda cdab dabc abcd
		"A b c D a B c d":                 0.2,
		"no no no no no no no no no no":   6. / 7, // seven sequences, one of them new
		"one two three four five six sev": nil,
	} {
		if got, why := repetition(text); got != want || (want == nil) != (why != "") {
			t.Errorf("%q: %v (%s), want %v", text, got, why, want)
		}
	}
}

func TestIsJSON(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a": 1}`: true, " [1, 2]\n": true, `"x"`: true, "```json\n{\"a\": 1}\n```": true, "```\n1\n```\n": true,
		"": false, "{a: 1}": false, "Here: {}": false, "```json\n{}": false, "{} {}": false, "```json\n{}\n``` done": false,
	} {
		if got := isJSON(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSameText(t *testing.T) {
	c := &Cell{}
	add := func(repeat int, warmup bool, text string, err *event.Error) *event.Request {
		q := &event.Request{Repeat: repeat, Warmup: warmup, Conversation: "c", Step: "s", Turn: 1}
		q.Text, q.Err = text, err
		c.Requests = append(c.Requests, q)
		return q
	}
	add(1, true, "broken", &event.Error{Class: "reset"})
	first := add(2, true, "yes", nil)
	same, other := add(1, false, "yes", nil), add(2, false, "no", nil)
	other.Turn = 1
	elsewhere := add(2, false, "yes", nil)
	elsewhere.Step = "t"
	d, _ := Lookup("text_same")
	for _, q := range []struct {
		of   *event.Request
		want any
	}{{first, nil}, {same, true}, {other, false}, {elsewhere, nil}} {
		if v := d.Each(c, q.of); v.V != q.want || (q.want == nil) != (v.Why != "") {
			t.Errorf("repeat %d of %s: %v (%s), want %v", q.of.Repeat, q.of.Step, v.V, v.Why, q.want)
		}
	}
}

func TestAnAnswerThatIsNoneIsKnownOnlyAsFarAsItCame(t *testing.T) {
	for _, c := range []struct {
		text, reasoning, finish string
		whole                   bool
	}{
		{"Lomvik.", "", "stop", true},
		{"Lomvik.", "Hm.", "STOP", true},
		{"Lomv", "", "length", false},
		{"Lomvik.", "", "", false},
		{"Lomvik.", "", "content_filter", false},
		{"", "Hm.", "length", false},
		{"", "Hm.", "stop", false},
		{" \n", "", "stop", false},
		{"Lomvik.", "", "completed", true}, // of the responses API
		{"Lomvik. And", "", "completed", false},
		{"Lomvik.", "", "end_turn", true}, // of Anthropic's
		{"Lomv", "", "max_tokens", false},
	} {
		q := reply()
		q.Text, q.Reasoning, q.Finish = c.text, c.reasoning, c.finish
		q.MaxTokens = *q.Usage.Completion + 1
		if c.text == "Lomvik. And" { // llama-server reports "completed" for a cut reply too
			q.MaxTokens--
		}
		cell := &Cell{}
		text, length := Must("text").Each(cell, &q), Must("text_len").Each(cell, &q)
		json, empty := Must("text_is_json").Each(cell, &q), Must("text_empty").Each(cell, &q)
		if text.Known() != c.whole || length.Known() != c.whole || json.Known() != c.whole || !empty.Known() {
			t.Errorf("%+v: text %+v, length %+v, JSON %+v, empty %+v", c, text, length, json, empty)
		}
		n := float64(len(c.text))
		if !c.whole && (text.SoFar != c.text || length.SoFar != len(c.text) ||
			*length.Range != event.Range{Low: n, High: math.Inf(1)}) {
			t.Errorf("%+v: it begins %q, and has %+v characters", c, text.SoFar, *length.Range)
		}
	}
}
