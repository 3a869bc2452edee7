package imports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"

	"homellm/dsl/transcript"
)

// traceLine is a line of a trace file beside a scenario.
type traceLine struct {
	Timestamp *float64 `json:"timestamp,omitempty"` // in milliseconds
	Input     int      `json:"input_length"`
	Output    int      `json:"output_length,omitempty"`
	Hashes    []int64  `json:"hash_ids,omitempty"`
}

// trace makes a conversation from each line of a trace. The plan makes up the texts of its blocks.
func (b *builder) trace(chats []*transcript.Chat) []conversation {
	var out []conversation
	var lines bytes.Buffer
	before := -1.0
	file := path.Join("chats", b.Name, b.Name+".jsonl")
	for _, chat := range chats {
		p := chat.Block
		if p == nil {
			b.note("an entry with texts is left out, because the trace has none")
			continue
		}
		line := traceLine{Input: p.Tokens, Output: p.Reply}
		if p.When >= 0 {
			ms := p.When * 1000
			line.Timestamp = &ms
		}
		for _, block := range p.Blocks {
			if p.Shared {
				line.Hashes = append(line.Hashes, -1-block)
			}
		}
		text, err := json.Marshal(line)
		if err != nil {
			b.note("a line is left out: %v", err)
			continue
		}
		lines.Write(append(text, '\n'))
		n := len(out) + 1
		c := conversation{id: b.id(chat.ID, fmt.Sprintf("r%d", n)), live: true, line: n, given: file}
		s := step{id: c.id + "_q", ask: "Go on.", tokens: p.Reply}
		if before >= 0 && p.When >= 0 {
			s.wait = b.between(before, p.When)
		}
		before = p.When
		c.steps = []step{s}
		out = append(out, c)
	}
	if len(out) > 0 {
		b.made.Beside[file] = lines.Bytes()
		b.note("the texts of blocks are made up, the same for the same hash; requests follow each other, however many of " +
			"the trace were under way at once")
	}
	return out
}
