package metrics

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"homellm/engine/event"
)

// The live fold receives events as they were made, the replayed fold as JSON returns them. These functions remove
// what JSON does not keep, so that both folds are equal: numbers in any-typed fields become float64, and bytes that
// are not UTF-8 become U+FFFD.

func canonicalRun(b event.RunStarted) event.RunStarted {
	b.Started = b.Started.Round(0).UTC()
	b.Scenario.Description = encoded(b.Scenario.Description)
	b.Host = canonicalHost(b.Host)
	return b
}

func canonicalHost(facts map[string]any) map[string]any {
	if len(facts) == 0 {
		return nil
	}
	host, _ := plain(facts).(map[string]any) // nil if it is not JSON: the journal has rejected it
	return host
}

func canonicalRequest(b event.Request) event.Request {
	b.Text, b.Reasoning, b.Tools, b.Finish = encoded(b.Text), encoded(b.Reasoning), encoded(b.Tools), encoded(b.Finish)
	if b.Estimate != nil {
		e := *b.Estimate
		e.Source = encoded(e.Source)
		b.Estimate = &e
	}
	b.CacheWhy, b.ReusableWhy = encoded(b.CacheWhy), encoded(b.ReusableWhy)
	b.Wire.ContentType, b.Wire.Model, b.Wire.Protocol = encoded(b.Wire.ContentType), encoded(b.Wire.Model),
		encoded(b.Wire.Protocol)
	for i, r := range b.Retrieved {
		if failed := encoded(r.Failed); failed != r.Failed {
			b.Retrieved = slices.Clone(b.Retrieved)
			b.Retrieved[i].Failed = failed
		}
	}
	if len(b.Timings) == 0 {
		b.Timings = nil
	}
	if b.Err != nil {
		e := *b.Err
		e.Message, e.Body = encoded(e.Message), encoded(e.Body)
		b.Err = &e
	}
	return b
}

func canonicalStart(b event.CellStarted) event.CellStarted {
	s := &b.Server
	s.Engine, s.Version, s.URL, s.Model, s.Simulation = encoded(s.Engine), encoded(s.Version), encoded(s.URL),
		encoded(s.Model),
		encoded(s.Simulation)
	for key, why := range s.Unsupported {
		s.Unsupported[key] = encoded(why)
	}
	s.Answered, s.Quant = encoded(s.Answered), encoded(s.Quant)
	if b.Box != nil {
		box := *b.Box
		box.Host = canonicalHost(box.Host)
		b.Box = &box
	}
	return b
}

func canonicalVerdict(b event.Verdict) event.Verdict {
	b.Why, b.Message, b.Excerpt, b.TextSeen = encoded(b.Why), encoded(b.Message), encoded(b.Excerpt), encoded(b.TextSeen)
	operands := make([]event.Operand, len(b.Operands))
	for i, o := range b.Operands {
		o.Value, o.Why = plain(o.Value), encoded(o.Why)
		if o.Beginning != nil {
			o.Beginning = new(encoded(*o.Beginning))
		}
		operands[i] = o
	}
	b.Operands = operands
	return b
}

func canonicalSince(b event.SinceLast) event.SinceLast {
	b.Run, b.Started = encoded(b.Run), b.Started.Round(0).UTC()
	changed := make([]event.Changed, len(b.Changed))
	for i, c := range b.Changed {
		changed[i] = event.Changed{Key: encoded(c.Key), Old: encoded(c.Old), New: encoded(c.New), Note: encoded(c.Note)}
	}
	b.Changed = changed
	return b
}

func canonicalAttained(b event.Attained) event.Attained {
	unknown := make([]event.Undecided, len(b.Unknown))
	for i, u := range b.Unknown {
		unknown[i] = event.Undecided{Turns: u.Turns, Why: encoded(u.Why), Unsupported: u.Unsupported}
	}
	if b.Unknown = unknown; len(unknown) == 0 {
		b.Unknown = nil
	}
	return b
}

// encoded is a string after encoding and decoding as JSON.
func encoded(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune { return r }, s)
}

// plain is a value after encoding and decoding as JSON; nil if JSON cannot hold it.
func plain(v any) any {
	switch v := v.(type) {
	case nil, bool, float64:
		return v
	case int:
		return float64(v)
	case string:
		return encoded(v)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}
