package sim

import (
	"encoding/json"
	"fmt"
	"strings"
)

// named returns an event of a type.
func (x *exchange) named(kind string, members object) []frame {
	members["type"] = kind
	return []frame{{kind, typeFirst(members)}}
}

// typeFirst encodes an object with its type first, as servers do.
func typeFirst(members object) json.RawMessage {
	kind := encode(members["type"])
	delete(members, "type")
	rest := encode(members)
	if len(members) == 0 {
		return append(append(json.RawMessage(`{"type":`), kind...), '}')
	}
	return append(append(append(json.RawMessage(`{"type":`), kind...), ','), rest[1:]...)
}

// itemOf returns the item that a piece belongs to. If that is a new one, events end the open item and begin it.
func (x *exchange) itemOf(p piece, begin, end func(*item) []frame) (it *item, events []frame) {
	kind := "text"
	switch {
	case p.call >= 0:
		kind = "call"
	case p.thought:
		kind = "thought"
	}
	if it = x.writing; it != nil && it.kind == kind && it.call == p.call {
		return it, nil
	}
	events = x.shut(end)
	it = &item{index: len(x.items), kind: kind, call: p.call}
	x.writing, x.items = it, append(x.items, it)
	return it, append(events, begin(it)...)
}

// shut ends the open item.
func (x *exchange) shut(end func(*item) []frame) []frame {
	if x.writing == nil {
		return nil
	}
	events := end(x.writing)
	x.writing = nil
	return events
}

// allItems returns the items of the whole reply, and makes them if no stream has.
func (x *exchange) allItems() []*item {
	if x.items == nil {
		none := func(*item) []frame { return nil }
		for i := range x.reply.tokens {
			for _, p := range x.reply.said(i, i) {
				if p.text != "" || p.begins {
					it, _ := x.itemOf(p, none, none)
					it.text.WriteString(p.text)
				}
			}
		}
		x.writing = nil
	}
	return x.items
}

// commonRequest holds the fields that have the same names in all APIs.
type commonRequest struct {
	Model     string  `json:"model"`
	RequestID string  `json:"request_id"`
	CacheSalt *string `json:"cache_salt"`
	Stream    bool    `json:"stream"`

	Temperature *float64     `json:"temperature"`
	TopP        *float64     `json:"top_p"`
	Seed        *int64       `json:"seed"`
	IgnoreEOS   bool         `json:"ignore_eos"`
	Stop        stringOrList `json:"stop"`
	thought
}

func (c commonRequest) fill(q *request) {
	q.Model, q.RequestID, q.CacheSalt, q.Stream = c.Model, c.RequestID, c.CacheSalt, c.Stream
	q.Temperature, q.TopP, q.Seed = c.Temperature, c.TopP, c.Seed
	q.IgnoreEOS, q.Stop, q.thought = c.IgnoreEOS, c.Stop, c.thought
}

// typedParts is the content of a message: a text or a list of typed parts.
type typedParts string

// UnmarshalJSON reads a text or a list of parts.
func (c *typedParts) UnmarshalJSON(b []byte) error {
	var text *string
	if json.Unmarshal(b, &text) == nil {
		if text != nil {
			*c = typedParts(*text)
		}
		return nil
	}
	var parts []struct {
		Type  string `json:"type"`
		Text  string `json:"text"`
		Image string `json:"image_url"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		var err error
		switch texts[i] = p.Text; p.Type {
		case "text", "input_text", "output_text", "refusal", "reasoning_text", "summary_text":
		case "input_image":
			texts[i], err = picture(p.Image)
		default:
			err = fmt.Errorf("content of type %q is not supported by this model", p.Type)
		}
		if err != nil {
			return err
		}
	}
	*c = typedParts(strings.Join(texts, "\n"))
	return nil
}

// calling returns the message with one more call.
func (m wireMessage) calling(c Call) wireMessage {
	m.Calls = append(m.Calls, struct {
		Function Call `json:"function"`
	}{c})
	return m
}
