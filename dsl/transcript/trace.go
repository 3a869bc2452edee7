package transcript

import (
	"math"
	"strconv"
	"time"

	"homellm/engine/wire"
)

// blockSizes are the sizes of blocks in public traces, in tokens, the most frequent first: Mooncake's, and those of
// others.
var blockSizes = []int{512, 16, 32, 64, 128, 256, 1024}

// blockSize returns the number of tokens in a block of a trace: the first size that fits all lines.
func (f *File) blockSize() int {
	fits := func(size int) bool {
		for _, e := range f.entries {
			hashes := e.values[0].get("hash_ids")
			tokens, ok := whole(e.values[0].get("input_length"))
			if hashes.is(list) && ok && (tokens+int64(size)-1)/int64(size) != int64(len(hashes.items)) {
				return false
			}
		}
		return true
	}
	for _, size := range blockSizes {
		if fits(size) {
			return size
		}
	}
	return blockSizes[0]
}

// most limits token counts: no model has a context of that length.
const most = 1 << 30

// whole returns a token count: a whole number from 0 to most.
func whole(v *value) (int64, bool) {
	if !v.is(number) {
		return 0, false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil && n >= 0 && n <= most
}

// tokens reads a token count. It reports a wrong one, and returns 0 then and if the count is absent.
func (r *reader) tokens(v *value, what string) int {
	if v == nil {
		return 0
	}
	n, ok := whole(v)
	if !ok {
		r.errorf(v, "", "%s has to be a whole number from 0 to %d", what, most)
	}
	return int(n)
}

// trace reads a line of a trace.
func (r *reader) trace(v *value, e entry) {
	p := &Prompt{Tokens: r.tokens(v.get("input_length"), "input_length"), When: milliseconds(v.get("timestamp")),
		Reply: r.tokens(v.get("output_length"), "output_length"), Size: r.block}
	r.chat.Block = p
	if r.found.Errors() {
		return
	}
	if p.Tokens == 0 {
		r.errorf(v, "", "the prompt has no tokens: input_length is missing or 0")
		return
	}
	hashes := r.want(v.get("hash_ids"), list, "hash_ids")
	if hashes == nil {
		p.Blocks, p.Size = []int64{math.MinInt64 + int64(e.line)}, p.Tokens // one block that no other line has
		return
	}
	if need := (p.Tokens + p.Size - 1) / p.Size; need != len(hashes.items) {
		r.errorf(hashes, "", "%d blocks of %d tokens are not a prompt of %d", len(hashes.items), p.Size, p.Tokens)
		return
	}
	p.Shared = true
	for _, item := range hashes.items {
		n, err := strconv.ParseInt(item.text, 10, 64)
		if !item.is(number) || err != nil || n < 0 {
			r.errorf(item, "", "a hash has to be a whole number from 0 to %d", int64(math.MaxInt64))
			return
		}
		p.Blocks = append(p.Blocks, -1-n)
	}
}

// turn reads a turn of an aiperf file: a question and its time.
func (r *reader) turn(v *value) {
	if v.is(text) {
		r.add(v, Message{Message: wire.Message{Role: "user", Content: v.text}, When: -1})
		return
	}
	if r.want(v, object, "a turn") == nil {
		return
	}
	m := Message{Message: wire.Message{Role: "user"}, When: milliseconds(v.get("timestamp")),
		Most: r.tokens(v.get("output_length"), "output_length")}
	if role := v.get("role").str(); role != "" && roles[role] != "" && roles[role] != "call" && roles[role] != "tool" {
		m.Role = roles[role]
	}
	for _, key := range []string{"text", "text_input", "texts"} {
		if t := v.get(key); t != nil {
			m.Content = r.content(t, &m)
		}
	}
	if m.When < 0 {
		m.When = r.after(milliseconds(v.get("delay")))
	}
	for _, key := range []string{"image", "images", "audio", "audios", "video", "videos", "extra"} {
		if x := v.get(key); x != nil {
			r.leftOut(x, "%s of a turn is left out: only texts are taken over", key)
		}
	}
	if m.Content == "" {
		r.errorf(v, "", "a turn without a text")
		return
	}
	r.add(v, m)
}

// after returns the time of a turn that waits for a delay after the previous one, in seconds since the first.
func (r *reader) after(delay float64) float64 {
	if n := len(r.chat.Messages); n > 0 {
		return r.chat.Messages[n-1].When + max(delay, 0)
	}
	return 0
}

// payloads reads the requests of an aiperf session. Each contains the whole history before its question, so the last
// one contains all of them.
func (r *reader) payloads(v *value) {
	if v = r.want(v, list, "payloads"); v == nil || len(v.items) == 0 {
		return
	}
	last := v.items[len(v.items)-1]
	messages := r.want(last.get("messages"), list, "the messages of a request")
	if messages == nil {
		if !r.found.Errors() {
			r.errorf(last, "", "a request without messages")
		}
		return
	}
	r.object(last)
	r.messages(messages.items)
	for _, before := range v.items[:len(v.items)-1] {
		for i, m := range before.get("messages").all() {
			if i >= len(messages.items) || string(m.raw(r.data)) != string(messages.items[i].raw(r.data)) {
				r.leftOut(before, "this request is left out: the last one of the session does not go on from it")
				break
			}
		}
	}
}

// all returns the items of a list.
func (v *value) all() []*value {
	if v == nil {
		return nil
	}
	return v.items
}

// milliseconds converts a number of milliseconds to seconds; negative if there is none.
func milliseconds(v *value) float64 {
	if n, ok := float(v); ok && n >= 0 {
		return n / 1000
	}
	return -1
}

// float returns a finite number.
func float(v *value) (float64, bool) {
	if !v.is(number) {
		return 0, false
	}
	n, err := strconv.ParseFloat(v.text, 64)
	return n, err == nil && !math.IsInf(n, 0)
}

// when returns the time of a message, in seconds; negative if it has none.
func when(v *value) float64 {
	at := v.get("timestamp", "created_at", "create_time", "created", "time")
	if n, ok := float(at); ok && n >= 0 {
		if n > 1e11 { // milliseconds since 1970: in seconds this would be after the year 5138
			n /= 1000
		}
		return n
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(form, at.str()); err == nil && t.Unix() >= 0 {
			return float64(t.UnixNano()) / 1e9
		}
	}
	return -1
}
