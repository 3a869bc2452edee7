package client

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/large/largetest"
)

// A reply with one large value takes the memory of what arrived, in pieces and as a whole. The text of the reply shares
// that memory. The text of a call needs one more copy, because the name comes before the arguments.
func TestLargeReply_IsNotCopied(t *testing.T) {
	const size = 5 << 20
	plain := strings.Repeat("x", size)
	escaped := strings.Repeat(`a \"quote\" \u00e4\n`, size/20)
	for name, c := range map[string]struct {
		framing, event, text string
		most                 float64 // all bytes allocated, as a multiple of the reply
	}{
		"finish reason": {"sse", `{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"%s"}]}`, plain, 3.2},
		"identity":      {"sse", `{"id":"%s","choices":[{"index":0,"delta":{"content":"x"}}]}`, plain, 2.2},
		"model":         {"sse", `{"model":"%s","choices":[{"index":0,"delta":{"content":"x"}}]}`, plain, 3.2},
		"role":          {"sse", `{"choices":[{"index":0,"delta":{"role":"%s","content":"x"}}]}`, plain, 2.2},
		"unknown":       {"sse", `{"x":"%s","choices":[{"index":0,"delta":{"content":"x"}}]}`, plain, 2.2},
		"answer":        {"sse", `{"choices":[{"index":0,"delta":{"content":"%s"}}]}`, plain, 2.2},
		"escapes":       {"sse", `{"choices":[{"index":0,"delta":{"content":"%s"}}]}`, escaped, 2.2},
		"reasoning":     {"sse", `{"choices":[{"index":0,"delta":{"reasoning":"%s"}}]}`, escaped, 2.2},
		"thoughts":      {"sse", `{"choices":[{"index":0,"delta":{"content":"<think>%s</think>so"}}]}`, escaped, 2.2},
		"body":          {"json", `{"choices":[{"index":0,"message":{"content":"%s"}}]}`, escaped, 2.2},
		"lines":         {"ndjson", `{"choices":[{"index":0,"message":{"content":"%s"}}]}` + "\n", escaped, 2.2},
		"call": {"sse", `{"choices":[{"index":0,"delta":{"content":"x","tool_calls":[{"index":0,"id":"1","function":` +
			`{"name":"look","arguments":"%s"}}]}}]}`, escaped, 3.2},
	} {
		body := fmt.Appendf(nil, c.event, c.text)
		if c.framing == "sse" {
			body = fmt.Appendf(nil, "data: %s\n\ndata: [DONE]\n\n", body)
		}
		var x event.Exchange
		cost := readReply(&x, c.framing, body)
		got := map[string]string{"reasoning": x.Reasoning, "thoughts": x.Reasoning, "answer": x.Text, "escapes": x.Text,
			"body": x.Text, "lines": x.Text, "call": strings.TrimPrefix(x.Tools, "look")}
		want := strings.NewReplacer(`\"`, `"`, `\n`, "\n", `\u00e4`, "ä").Replace(c.text)
		if text, ok := got[name]; ok && text != want || len(x.Text)+len(x.Reasoning) == 0 {
			t.Errorf("%s: the text is not that of the reply", name)
		}
		if name == "call" && (len(x.Calls) != 1 || x.Calls[0].Function.Arguments != want) {
			t.Errorf("%s: %d calls", name, len(x.Calls))
		}
		largetest.AtMost(t, name, cost, uint64(c.most*float64(len(c.text))))
	}
}

// The arguments of a call that comes in pieces are kept once, like an answer in the same pieces.
func TestLargeReply_CallInPieces(t *testing.T) {
	const pieces = 50
	text := strings.Repeat("x", 100_000)
	read := func(event string) (x event.Exchange, cost uint64) {
		var body strings.Builder
		for range pieces {
			fmt.Fprintf(&body, "data: "+event+"\n\n", text)
		}
		cost = readReply(&x, "sse", []byte(body.String()))
		return x, cost
	}
	_, answer := read(`{"choices":[{"index":0,"delta":{"content":"%s"}}]}`)
	x, call := read(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"1","function":{"arguments":"%s"}}]}}]}`)
	if len(x.Calls) != 1 || len(x.Calls[0].Function.Arguments) != pieces*len(text) {
		t.Fatalf("%d calls", len(x.Calls))
	}
	largetest.AtMost(t, "a call", call, answer+answer/5)
}

// readReply reads a reply and returns how many bytes were allocated for it.
func readReply(x *event.Exchange, framing string, body []byte) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := newRecord(x, decodeOpenAI, 64, 1<<30)
	r.tags, r.whole = true, framing == "json"
	f := framings[framing]()
	for p := body; len(p) > 0; {
		n := min(len(p), bufferSize)
		f.feed(p[:n], false)
		for fr, ok := f.next(); ok; fr, ok = f.next() {
			r.take(time.Second, fr)
		}
		p = p[n:]
	}
	for fr, ok := f.end(); ok; fr, ok = f.end() {
		r.take(time.Second, fr)
	}
	r.close()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// An event with a large text and an error is read correctly, although large texts are unescaped in place.
func TestLargeReply_WithAnErrorBesideIt(t *testing.T) {
	text := strings.Repeat(`a \"quote\" `, 20_000)
	var x event.Exchange
	r := newRecord(&x, decodeOpenAI, 64, 1<<30)
	line := `{"choices":[{"index":0,"delta":{"content":"` + text + `"}}],"error":{"message":"out of blocks"}}`
	r.take(time.Second, frame{data: []byte(line)})
	r.close()
	if r.err == nil || !strings.Contains(r.err.Message, "out of blocks") || !strings.HasPrefix(x.Text, `a "quote" a`) {
		t.Errorf("%+v", r.err)
	}
}
