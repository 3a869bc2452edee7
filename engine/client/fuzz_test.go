package client

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/event"
)

// fixtures returns the recorded replies with one of the endings.
func fixtures(t testing.TB, endings ...string) (bodies [][]byte) {
	t.Helper()
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains(endings, filepath.Ext(path)) || strings.Contains(path, "fuzz") {
			return err
		}
		body, err := os.ReadFile(path)
		bodies = append(bodies, body)
		return err
	})
	if err != nil || len(bodies) == 0 {
		t.Fatalf("reading fixtures: %d found, %v", len(bodies), err)
	}
	return bodies
}

// cutUp feeds a body in pieces whose sizes the bytes of cuts give, in turn, and returns the events.
func cutUp(framing string, body, cuts []byte) (events []string) {
	f := framings[framing]()
	keep := func(fr frame) {
		mark := "data "
		if fr.error {
			mark = "error "
		}
		events = append(events, mark+string(fr.data))
	}
	for i := 0; len(body) > 0; i++ {
		n := len(body)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		piece := bytes.Clone(body[:n])
		f.feed(piece, false)
		for fr, ok := f.next(); ok; fr, ok = f.next() {
			keep(fr)
		}
		clear(piece) // what a framer still holds must be its own
		body = body[n:]
	}
	for fr, ok := f.end(); ok; fr, ok = f.end() {
		keep(fr)
	}
	return events
}

// plainSSE frames a whole body by the letter of the standard, with the two liberties of sse.
func plainSSE(body string) (events []string) {
	body = strings.TrimPrefix(body, "\uFEFF")
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
	var data []string
	mark := "data "
	dispatch := func() {
		if data != nil {
			events = append(events, mark+strings.Join(data, "\n"))
		}
		data, mark = nil, "data "
	}
	for line := range strings.SplitSeq(body, "\n") {
		if line == "" {
			dispatch()
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "data":
			data = append(data, value)
		case "event":
			mark = map[bool]string{true: "error ", false: "data "}[value == "error"]
		case "error":
			events = append(events, "error "+value)
		}
	}
	dispatch()
	return events
}

func FuzzSSE(f *testing.F) {
	for _, body := range fixtures(f, ".sse") {
		f.Add(body, []byte{0})
		f.Add(body, []byte{200, 3, 0, 17})
	}
	for _, body := range []string{
		"data: a\r\n\r\ndata: b\r\rdata: c\n\n",
		"\xEF\xBB\xBFdata: a\ndata: b\n\n: comment\n\ndata",
		"data:{\"x\":\ndata:1}\n\nevent: error\ndata: boom\n\nerror: {}\n\ndata: [DONE]",
		"data: \xF0\x9F\x99\x82\n\n",
	} {
		f.Add([]byte(body), []byte{0})
	}
	f.Fuzz(func(t *testing.T, body, cuts []byte) {
		whole := cutUp("sse", body, nil)
		if split := cutUp("sse", body, cuts); !slices.Equal(whole, split) {
			t.Errorf("whole %q\nsplit %q", whole, split)
		}
		if want := plainSSE(string(body)); !slices.Equal(whole, want) {
			t.Errorf("framed %q\nwant   %q", whole, want)
		}
	})
}

func FuzzNDJSON(f *testing.F) {
	for _, body := range fixtures(f, ".ndjson") {
		f.Add(body, []byte{0})
		f.Add(body, []byte{90, 1})
	}
	f.Add([]byte("{}\r\n\n  {\"a\":1}  \n{\"b\""), []byte{2})
	f.Fuzz(func(t *testing.T, body, cuts []byte) {
		var want []string
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				want = append(want, "data "+string(line))
			}
		}
		for _, c := range [][]byte{nil, cuts} {
			if got := cutUp("ndjson", body, c); !slices.Equal(got, want) {
				t.Errorf("framed %q\nwant   %q", got, want)
			}
		}
	})
}

// said is what a chunk says, in a form that compares.
type said struct {
	Answer, Reasoning, Tool, Refusal, Key, Finish string
	Choices, Done, Fault                          bool
	Tokens                                        int
	Usage                                         [4]int
	Timings                                       [14]float64
}

func saying(c *chunk) said {
	u, m := c.usage, c.timings
	s := said{
		Answer: string(c.answer), Reasoning: string(c.reasoning), Tool: string(c.tool), Refusal: string(c.refusal),
		Key: c.reasoningKey, Finish: string(c.finish), Choices: c.choices, Done: c.done, Fault: c.hasFault, Tokens: -1,
		Usage: [4]int{u.prompt, u.completion, u.reasoning, u.cached},
		Timings: [14]float64{m.load, m.prefill, m.decode, m.total, float64(m.prompt), float64(m.cached),
			float64(m.completion), m.queue, m.gap, float64(m.drafted), float64(m.accepted),
			float64(m.local), float64(m.host), float64(m.storage)},
	}
	if c.counted {
		s.Tokens = c.tokens
	}
	return s
}

// FuzzChunk compares the scanner with encoding/json: both accept and refuse the same input and read the same texts and
// counts. An event that was read by comparing it with the one before must give the same result as when it is read by
// itself.
func FuzzChunk(f *testing.F) {
	for _, body := range fixtures(f, ".sse", ".ndjson") {
		var before []byte
		for line := range bytes.Lines(body) {
			data := bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data:")))
			if len(data) > 0 && data[0] == '{' {
				f.Add(before, data)
				before = data
			}
		}
	}
	for _, data := range []string{
		`{"choices":[{"delta":{"content":"\ud83d\ude42\n\"x\""}}]}`,
		`{"choices":[{"delta":{"content":"\ud83d \udc00"}}]}`,
		"{\"choices\":[{\"delta\":{\"content\":\"\xff\xc3\"}}]}",
		`{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}}]}}]}`,
		`{"choices":[{"text":1e400,"token_ids":[1,2]}],"usage":{"prompt_tokens":1.0,"completion_tokens":-3}} x`,
		`{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}],"error":null}`,
		`{"choices":[{"delta":{"content":"a"}}]}`,
		`{"choices":[{"delta":{"content":"\n","reasoning":"a"}}]}`,
		`{"choices":[{"delta":{"content":"\","reasoning":"a"}}]}`,
		`{"choices":[{"delta":{"content":"\x"}}]}`,
		`{"":1e700}`,
		`{"choices":[{"index":1,"delta":{"content":"b"}},{"message":{"content":"c"},"delta":{"content":""},"index":0}]}`,
		`{"choices":[{"delta":{"content":[{"type":"text","text":"b"},"c",{"refusal":"d"},{"thinking":[{"text":"e"}]}]}}]}`,
	} {
		f.Add([]byte(`{"choices":[{"delta":{"content":"b"}}]}`), []byte(data))
	}
	f.Fuzz(func(t *testing.T, before, data []byte) {
		alone, tree := readTwice(t, decodeOpenAI, before, data)
		if tree == nil {
			return
		}
		if diff := cmp.Diff(oracle(tree), saying(alone)); diff != "" {
			t.Errorf("encoding/json and the scanner differ (-json +scanner):\n%s\n%q", diff, data)
		}
	})
}

// readTwice reads an event by itself and after another one: it must be accepted or refused as by encoding/json, and
// read the same both times. The tree is what encoding/json reads; nil if there is nothing to compare.
func readTwice(t *testing.T, decode func([]byte, *chunk) error, before, data []byte) (*chunk, map[string]any) {
	t.Helper()
	var alone, after chunk
	_, err := alone.read(data, decode)
	valid := json.Valid(data) && bytes.TrimLeft(data, " \t\r\n")[0] == '{'
	if valid != (err == nil) {
		t.Fatalf("scanner: %v, encoding/json valid: %v\n%q", err, valid, data)
	}
	_, _ = after.read(before, decode)
	if _, e := after.read(data, decode); (e == nil) != valid {
		t.Fatalf("after another event: %v, alone: %v", e, err)
	}
	if !valid {
		return &alone, nil
	}
	if diff := cmp.Diff(saying(&alone), saying(&after)); diff != "" {
		t.Errorf("an event reads differently after another (-alone +after):\n%s\n%q\n%q", diff, before, data)
	}
	var tree map[string]any
	if json.Unmarshal(data, &tree) != nil {
		return &alone, nil // a number that no float can hold; the scanner does not parse it
	}
	if !unique(data) {
		return &alone, nil // it is not defined which of two equal keys counts
	}
	return &alone, tree
}

// unique reports whether no object in data has a key twice.
func unique(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	ok := true
	var value func()
	value = func() {
		token, err := d.Token()
		if err != nil {
			return
		}
		switch token {
		case json.Delim('{'):
			seen := map[string]bool{}
			for d.More() {
				key, err := d.Token()
				name, isText := key.(string)
				if err != nil || !isText {
					return
				}
				ok = ok && !seen[name]
				seen[name] = true
				value()
			}
			_, _ = d.Token()
		case json.Delim('['):
			for d.More() {
				value()
			}
			_, _ = d.Token()
		}
	}
	value()
	return ok
}

// oracle reads a decoded event the obvious way.
func oracle(tree map[string]any) said {
	object := func(v any) map[string]any { m, _ := v.(map[string]any); return m }
	list := func(v any) []any { l, _ := v.([]any); return l }
	text := func(v any) string { s, _ := v.(string); return s }
	count := func(v any) int {
		if n, ok := v.(float64); ok && n >= 0 && n <= 1<<53 && n == float64(int(n)) {
			return int(n)
		}
		return -1
	}
	number := func(v any, factor float64) float64 {
		if n, ok := v.(float64); ok && n >= 0 {
			return n * factor
		}
		return -1
	}
	s := said{Tokens: -1}
	first := map[string]any(nil)
	for _, item := range list(tree["choices"]) {
		if !s.Choices || max(count(object(item)["index"]), 0) < max(count(first["index"]), 0) {
			first = object(item)
		}
		s.Choices = true
	}
	s.Finish = text(first["finish_reason"])
	if ids, ok := first["token_ids"].([]any); ok {
		s.Tokens = len(ids)
	}
	var content func(v any, into *string)
	content = func(v any, into *string) {
		for _, part := range list(v) {
			content(part, into)
		}
		if part := object(v); part != nil {
			content(part["text"], into)
			content(part["refusal"], &s.Refusal)
			content(part["thinking"], &s.Reasoning)
			content(part["reasoning"], &s.Reasoning)
		}
		*into += text(v)
	}
	for _, key := range []string{"delta", "text", "message"} {
		if s.Answer+s.Refusal+s.Tool+s.Reasoning != "" {
			break
		}
		if key == "text" {
			s.Answer = text(first["text"])
			continue
		}
		d := object(first[key])
		content(d["content"], &s.Answer)
		s.Refusal += text(d["refusal"])
		for _, call := range append(list(d["tool_calls"]), map[string]any{"function": d["function_call"]}) {
			fn := object(object(call)["function"])
			s.Tool += text(fn["name"]) + text(fn["arguments"])
		}
		for _, k := range []string{"reasoning", "reasoning_content", "thinking"} {
			if r := text(d[k]); r != "" && (s.Key == "" || s.Key == k) {
				s.Reasoning, s.Key = s.Reasoning+r, k
			}
		}
	}
	u := object(tree["usage"])
	thought := count(object(u["completion_tokens_details"])["reasoning_tokens"])
	if thought < 0 {
		thought = count(u["reasoning_tokens"])
	}
	s.Usage = [4]int{count(u["prompt_tokens"]), count(u["completion_tokens"]), thought,
		count(object(u["prompt_tokens_details"])["cached_tokens"])}
	m := object(tree["timings"])
	from := object(object(tree["sglext"])["cached_tokens_details"])
	s.Timings = [14]float64{-1, number(m["prompt_ms"], 1), number(m["predicted_ms"], 1), number(u["total_time"], 1e3),
		float64(count(m["prompt_n"])), float64(count(m["cache_n"])), float64(count(m["predicted_n"])),
		-1, -1, float64(count(m["draft_n"])), float64(count(m["draft_n_accepted"])),
		float64(count(from["device"])), float64(count(from["host"])), float64(count(from["storage"]))}
	if m := object(tree["metrics"]); m != nil { // vLLM's, which has no timings
		drafts := object(m["speculative_decoding"])
		s.Timings[1], s.Timings[2] = number(m["time_to_first_token_ms"], 1), number(m["generation_time_ms"], 1)
		s.Timings[7], s.Timings[8] = number(m["queue_time_ms"], 1), number(m["mean_itl_ms"], 1)
		s.Timings[9] = float64(count(drafts["num_draft_tokens"]))
		s.Timings[10] = float64(count(drafts["num_accepted_draft_tokens"]))
	}
	if s.Timings[1] < 0 {
		s.Timings[1] = number(u["prompt_time"], 1e3)
	}
	stats := object(tree["stats"])
	s.Timings[0] = number(stats["model_load_time_seconds"], 1e3)
	for _, key := range []string{"time_to_first_token", "time_to_first_token_seconds"} {
		if s.Timings[1] < 0 {
			s.Timings[1] = number(stats[key], 1e3)
		}
	}
	if s.Timings[2] < 0 {
		s.Timings[2] = number(stats["generation_time"], 1e3)
	}
	if s.Timings[2] < 0 {
		s.Timings[2] = number(u["completion_time"], 1e3)
	}
	s.Fault = tree["error"] != nil || text(tree["object"]) == "error"
	return s
}

func FuzzErrorBody(f *testing.F) {
	for _, body := range fixtures(f, ".json") {
		f.Add(400, body)
	}
	for _, body := range []string{
		`{"detail":[{"loc":["body",0],"msg":"field required"}]}`, `{"detail":"Not Found"}`, `"text"`, `{"error":{}}`, `[]`,
		"<html><head><TITLE>502 Bad\nGateway</TITLE>", "busy\x00\x1b[31m", `{"error":{"message":{"message":"deep"}}}`, "",
	} {
		f.Add(503, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := refused(&http.Response{StatusCode: status, Header: http.Header{}}, body, time.Now())
		if !slices.ContainsFunc(event.Classes, func(c struct{ Name, Doc string }) bool { return c.Name == e.Class }) {
			t.Errorf("class %q is not documented", e.Class)
		}
		if len(e.Message) > 1200 || !utf8.ValidString(e.Message) || strings.ContainsFunc(e.Message, unicode.IsControl) ||
			e.Message == "" {
			t.Errorf("message %q", e.Message)
		}
		if len(e.Body) > 3*keptBody || !utf8.ValidString(e.Body) {
			t.Errorf("body of %d bytes", len(e.Body))
		}
	})
}

// TestVerbatim finds a byte that needs an escape at every place of a text.
func TestVerbatim(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			text := bytes.Repeat([]byte{'a'}, 20)
			text[at] = byte(c)
			want := len(text)
			switch {
			case c >= utf8.RuneSelf: // alone it is not UTF-8
				want = 0
			case c < ' ' || c == '"' || c == '\\':
				want = at
			}
			if got := verbatim(text); got != want {
				t.Errorf("%q: %d, want %d", text, got, want)
			}
		}
	}
	if text := []byte("naïve – 日本語, twice as long"); verbatim(text) != len(text) {
		t.Errorf("%s: %d bytes", text, verbatim(text))
	}
}

// FuzzMessages compares how messages are encoded with encoding/json.
func FuzzMessages(f *testing.F) {
	f.Add("user", "Say \"hi\" <now>,\n\tin C:\\dir", "")
	f.Add("assistant", "é \u2028 \x00 \r \x7f", "why")
	f.Add("tool", "not \" UTF-8 \xff\n\"", "")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, role, content, thought string) {
		messages := []Message{{Role: role, Content: content}, {Role: "assistant", Content: content, Reasoning: thought}}
		got, err := marshal(messages)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(messages)
		var read, expected any
		if err := json.Unmarshal(got, &read); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if _ = json.Unmarshal(want, &expected); !reflect.DeepEqual(read, expected) {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
