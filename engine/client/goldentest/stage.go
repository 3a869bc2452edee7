package goldentest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The APIs of the shapes.
const (
	Chat        = "chat"
	Completions = "completions"
	Ollama      = "ollama"
	Responses   = "responses"
	Messages    = "messages"
)

func apiOf(path string) string {
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return Chat
	case strings.HasSuffix(path, "/completions"):
		return Completions
	case strings.HasSuffix(path, "/responses"):
		return Responses
	case strings.HasSuffix(path, "/messages"):
		return Messages
	}
	return Ollama
}

// stage plays one reply: it holds the connection, the form of the events, and the record of what was sent.
type stage struct {
	conn     net.Conn
	in       *bufio.Reader
	request  *http.Request
	api      string
	pace     Pace
	truth    Truth
	reusable bool // the reply ended as HTTP requires
	gone     bool // the client closed the connection: stop waiting
	plain    bool // the body ends with the connection: no chunked encoding

	style
	written int // tokens so far
}

// style is the form of the events.
type style struct {
	eol    string                 // line end
	space  string                 // between "data:" and the data
	before string                 // lines before each data line, without their last line end
	lines  int                    // data lines per event, for multi-line data
	cut    func([]byte) [][]byte  // how an event is split into writes
	pause  time.Duration          // between those writes
	per    int                    // tokens per event
	tell   bool                   // each event reports its token count
	usage  func(sofar int) string // a member to add to each event that carries text
	choice string                 // a member to add to each choice

	sequence int // of the events of an API that numbers them
}

func newStage(conn net.Conn, in *bufio.Reader, pace Pace, api string, class string) *stage {
	received := time.Now()
	if e, ok := conn.(exact); ok {
		received = e.came()
	}
	return &stage{
		conn: conn, in: in, api: api, pace: pace,
		truth: Truth{Received: received, Prompt: -1, Completion: -1, Cached: -1, Thought: -1, Class: class},
		style: style{eol: "\n", space: " ", lines: 1, per: 1},
	}
}

// head writes the head of a response that succeeds. Header lines are given whole.
func (s *stage) head(header ...string) {
	fmt.Fprintf(s.conn, "HTTP/1.1 200 OK\r\n%s\r\n", lines(header))
}

func lines(header []string) string {
	var b strings.Builder
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

// stream begins a streamed reply.
func (s *stage) stream() {
	s.head("Content-Type: "+s.mediaType(), "Transfer-Encoding: chunked")
}

func (s *stage) mediaType() string {
	if s.api == Ollama {
		return "application/x-ndjson"
	}
	return "text/event-stream; charset=utf-8"
}

// answer sends a reply in one body.
func (s *stage) answer(code int, mediaType, body string, header ...string) {
	header = append(header, "Content-Type: "+mediaType, fmt.Sprintf("Content-Length: %d", len(body)))
	fmt.Fprintf(s.conn, "HTTP/1.1 %d %s\r\n%s\r\n%s", code, http.StatusText(code), lines(header), body)
	s.reusable = true
}

// wait sleeps.
func (s *stage) wait(d time.Duration) {
	if s.gone {
		return
	}
	time.Sleep(d)
}

// raw writes bytes of the body, and passes to mark when the write that completes them left.
func (s *stage) raw(b []byte, mark func(time.Time)) {
	head, tail := "", ""
	if !s.plain {
		head, tail = fmt.Sprintf("%x\r\n", len(b)), "\r\n"
	}
	whole := append([]byte(head), b...)
	const most = 32 << 10 // the bytes of a single write may be under way before the write returns
	pieces := split(whole, most)
	if s.cut != nil {
		pieces = s.cut(whole)
	}
	for i, piece := range pieces {
		if i > 0 && s.pause > 0 {
			s.wait(s.pause)
		}
		if i == len(pieces)-1 {
			piece = append(slices.Clip(piece), tail...)
		}
		left := s.write(piece)
		if i == len(pieces)-1 && mark != nil {
			mark(left)
		}
		if s.gone {
			return
		}
	}
}

// exact is a connection whose stamps are more precise than reading the clock.
type exact interface {
	came() time.Time // of the last read
	send(p []byte) (left time.Time, exact bool, err error)
}

// write puts bytes on the connection, and returns when they left.
func (s *stage) write(p []byte) (left time.Time) {
	var err error
	if e, ok := s.conn.(exact); ok {
		left, _, err = e.send(p)
	} else {
		left = time.Now()
		_, err = s.conn.Write(p)
	}
	s.gone = s.gone || err != nil
	return left
}

// dress frames the data of one event in the form of the API and the shape.
func (s *stage) dress(data string) []byte {
	if s.api == Ollama {
		return []byte(data + s.eol)
	}
	var b strings.Builder
	if s.before != "" {
		b.WriteString(s.before + s.eol)
	} else if typed := typeOf(data); s.typed() && typed != "" {
		b.WriteString("event: " + typed + cmp.Or(s.eol, "\n"))
	}
	for i, line := range splitLines(data, s.lines) {
		if i > 0 {
			b.WriteString(s.eol)
		}
		b.WriteString("data:" + s.space + line)
	}
	b.WriteString(s.eol + s.eol)
	return []byte(b.String())
}

// splitLines breaks JSON after commas between members, where a line end is white space.
func splitLines(data string, n int) []string {
	out := []string{}
	for ; n > 1; n-- {
		at := strings.Index(data, `,"`)
		if at < 0 {
			break
		}
		out = append(out, data[:at+1])
		data = data[at+1:]
	}
	return append(out, data)
}

// send writes one event that carries no text.
func (s *stage) send(data string) { s.raw(s.dress(data), nil) }

// channelOf is the channel behind a delta's key.
func channelOf(key string) string {
	if strings.HasPrefix(key, "reasoning") || key == "both" || key == "summary" {
		return "reasoning"
	}
	return key
}

// token writes one event with text under a key, and records when.
func (s *stage) token(key, text string) {
	s.written += s.per
	told := -1
	if s.tell {
		told = s.per
	}
	s.raw(s.dress(s.event(key, text, "")), func(at time.Time) {
		s.truth.Tokens = append(s.truth.Tokens, Token{at, channelOf(key), text, s.per, told})
	})
}

// event is the data of an event with text under a key, a finish reason, or neither.
func (s *stage) event(key, text, finish string) string {
	usage := ""
	if s.usage != nil && text != "" {
		usage = s.usage(s.written)
	}
	reason := "null"
	if finish != "" {
		reason = quote(finish)
	}
	switch s.api {
	case Completions:
		return fmt.Sprintf(`{"id":"cmpl-7f","object":"text_completion","created":1799999999,"model":"golden",`+
			`"choices":[{"index":0,"text":%s,"logprobs":null,"finish_reason":%s%s}]%s}`,
			quote(text), reason, s.choice, usage)
	case Ollama:
		return fmt.Sprintf(`{"model":"golden","created_at":"2026-11-23T10:00:00.1Z","message":{"role":"assistant",%s},`+
			`"done":false}`, delta(key, text, true))
	case Responses:
		return s.responsesDelta(key, text)
	case Messages:
		return messagesDelta(key, text)
	}
	return fmt.Sprintf(`{"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1799999999,"model":"golden",`+
		`"choices":[{"index":0,"delta":{%s},"logprobs":null,"finish_reason":%s%s}]%s}`,
		delta(key, text, false), reason, s.choice, usage)
}

// delta is the member of a delta that holds text under a key, in the form of OpenAI or Ollama.
func delta(key, text string, ollama bool) string {
	switch key {
	case "":
		return ""
	case "tool":
		if ollama {
			return `"content":"","tool_calls":[{"function":{"name":"","arguments":` + text + `}}]`
		}
		return `"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"arguments":` + quote(text) + `}}]`
	case "answer":
		return `"content":` + quote(text)
	case "reasoning":
		if ollama {
			return `"content":"","thinking":` + quote(text)
		}
	case "both": // both names, as vLLM did for a while
		return `"reasoning":` + quote(text) + `,"reasoning_content":` + quote(text) + `,"content":null`
	}
	return quote(key) + ":" + quote(text)
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(b)
}

// words are what the shapes say: plain text, text outside ASCII, and what JSON has to escape.
var words = []string{"The", " torque", " is", " 41", " Nm", ".", "\n", " \"über\"", " 上青", " \\d+", " <|x|>", " 🙂"}

// tokens sends the pace's tokens: a wait for the first, then one event after each gap.
func (s *stage) tokens(key string) {
	for i := range s.pace.Tokens {
		if len(s.truth.Tokens) == 0 {
			s.wait(s.pace.First)
		} else {
			s.wait(s.pace.Gap)
		}
		s.token(key, words[i%len(words)]+strings.Repeat(" and", s.per-1))
	}
}

// half sends the first or the second half of the pace's tokens.
func (s *stage) half(key string) {
	whole := s.pace
	s.pace.Tokens /= 2
	s.tokens(key)
	s.pace = whole
}

// finish sends a finish reason in a separate event; in APIs other than OpenAI's completions it is part of the end.
func (s *stage) finish(reason string) {
	s.truth.Finish = reason
	if s.typed() {
		s.truth.Finish = finishWords[s.api][reason]
	} else if s.api != Ollama {
		s.send(s.event("", "", reason))
	}
}

// prompt is the reported token count of every prompt.
const prompt = 2674

// counts records the counts that the wire reports.
func (s *stage) counts() {
	s.truth.Prompt, s.truth.Completion = prompt, s.written
}

// usageObject is a usage report in OpenAI's form.
func (s *stage) usageObject() string {
	s.counts()
	return fmt.Sprintf(`{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d}`, prompt, prompt+s.written,
		s.written)
}

// ownUsage sends usage in an event without choices.
func (s *stage) ownUsage() {
	if s.api != Ollama && !s.typed() {
		s.send(`{"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1799999999,"model":"golden","choices":[],` +
			`"usage":` + s.usageObject() + `}`)
	}
}

// done sends the end marker.
func (s *stage) done() {
	if s.typed() {
		s.typedEnd()
		return
	}
	if s.api != Ollama {
		s.send("[DONE]")
		return
	}
	s.counts()
	s.send(fmt.Sprintf(`{"model":"golden","created_at":"2026-11-23T10:00:01Z","message":{"role":"assistant",`+
		`"content":""},"done":true,"done_reason":%s,"total_duration":5043500667,"load_duration":25693500,`+
		`"prompt_eval_count":%d,"prompt_eval_duration":130079000,"eval_count":%d,"eval_duration":4232710000}`,
		quote(s.truth.Finish), prompt, s.written))
}

// end ends the body.
func (s *stage) end() {
	if s.plain {
		return
	}
	_, err := io.WriteString(s.conn, "0\r\n\r\n")
	s.reusable = err == nil
}

// close sends the end of an ordinary reply.
func (s *stage) close(reason string) {
	s.finish(reason)
	s.ownUsage()
	s.done()
	s.end()
}

// hang sends nothing until the client closes the connection.
func (s *stage) hang() {
	_, _ = io.Copy(io.Discard, s.in)
}

// reset breaks the connection without closing it cleanly.
func (s *stage) reset() {
	if tcp, ok := s.conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	s.conn.Close()
}
