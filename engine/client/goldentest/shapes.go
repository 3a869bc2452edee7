package goldentest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"time"
)

// Shape is one way in which a server may reply.
type Shape struct {
	Name string
	Doc  string
	APIs []string // in which it occurs
	Want string   // error class that the reply deserves; empty: none
	play func(*stage)
}

// Shapes lists every shape, in the order of reports.
func Shapes() []Shape {
	return append(append(append(streams(), bundles()...), framings()...), failures()...)
}

var (
	chat   = []string{Chat}
	ollama = []string{Ollama}
	openAI = []string{Chat, Completions}
	every  = []string{Chat, Completions, Ollama}
)

// streams are replies that differ in what their events say.
func streams() []Shape {
	return []Shape{
		{"plain", "text, finish reason, usage, [DONE]", every, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.close("stop")
		}},
		{"role-early", "a role without text at once, the first token much later", chat, "", func(s *stage) {
			s.stream()
			s.send(s.event("role", "assistant", ""))
			s.tokens("answer")
			s.close("stop")
		}},
		{"null-content", "a first delta whose content is null", chat, "", func(s *stage) {
			s.stream()
			s.send(`{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],` +
				`"created":1756485000,"id":"chatcmpl-1","model":"qwen","object":"chat.completion.chunk"}`)
			s.tokens("answer")
			s.close("stop")
		}},
		{"empty-delta", "a first delta with empty text at once", every, "", func(s *stage) {
			s.stream()
			s.send(s.event("answer", "", ""))
			s.tokens("answer")
			s.close("stop")
		}},
		{"reasoning", "half of it reasoning, under `reasoning`; Ollama's `thinking`", []string{Chat, Ollama}, "",
			func(s *stage) {
				s.stream()
				s.half("reasoning")
				s.half("answer")
				s.close("stop")
			}},
		{"reasoning-content", "half of it reasoning, under `reasoning_content`", chat, "", func(s *stage) {
			s.stream()
			s.half("reasoning_content")
			s.half("answer")
			s.close("stop")
		}},
		{"reasoning-both", "reasoning under both names at once: it counts once", chat, "", func(s *stage) {
			s.stream()
			s.half("both")
			s.half("answer")
			s.close("stop")
		}},
		{"reasoning-only", "nothing but reasoning", chat, "", func(s *stage) {
			s.stream()
			s.tokens("reasoning")
			s.close("length")
		}},
		{"tool-calls", "nothing but a tool call", []string{Chat, Ollama}, "", func(s *stage) {
			s.stream()
			s.wait(s.pace.First)
			if s.api == Ollama {
				s.token("tool", `{"city":"Wien"}`)
			} else {
				for _, part := range []string{`{"city"`, `: "Wi`, `en"}`} {
					s.token("tool", part)
					s.wait(s.pace.Gap)
				}
			}
			s.close("tool_calls")
		}},
		{"refusal", "a refusal in place of content", chat, "", func(s *stage) {
			s.stream()
			s.tokens("refusal")
			s.close("stop")
		}},
		{"finish-length", "stopped by max_tokens", every, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.close("length")
		}},
		{"finish-filter", "stopped by a content filter", openAI, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.close("content_filter")
		}},
		{"finish-with-text", "the last text comes with the finish reason, and stop_reason is a number", openAI, "",
			func(s *stage) {
				s.stream()
				s.tokens("answer")
				s.wait(s.pace.Gap)
				s.written++
				s.choice = `,"stop_reason":151336`
				s.truth.Finish = "stop"
				s.raw(s.dress(s.event("answer", " end", "stop")), func(at time.Time) {
					s.truth.Tokens = append(s.truth.Tokens, Token{at, "answer", " end", 1, -1})
				})
				s.ownUsage()
				s.done()
				s.end()
			}},
		{"finish-missing", "[DONE] without a finish reason", openAI, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.ownUsage()
			s.done()
			s.end()
		}},
		{"usage-absent", "no usage at all", openAI, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.done()
			s.end()
		}},
		{"usage-last-chunk", "usage in the event with the finish reason, choices not empty", openAI, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.truth.Finish = "stop"
			s.send(strings.TrimSuffix(s.event("", "", "stop"), "}") + `,"usage":` + s.usageObject() + `}`)
			s.done()
			s.end()
		}},
		{"usage-last-text", "usage in the event with the last text", openAI, "", func(s *stage) {
			s.stream()
			s.pace.Tokens--
			s.tokens("answer")
			s.wait(s.pace.Gap)
			s.usage = func(int) string { return `,"usage":` + s.usageObject() }
			s.token("answer", " end")
			s.usage = nil
			s.finish("stop")
			s.done()
			s.end()
		}},
		{"usage-null", "`usage: null` in every event until its own", openAI, "", func(s *stage) {
			s.stream()
			s.usage = func(int) string { return `,"usage":null` }
			s.tokens("answer")
			s.close("stop")
		}},
		{"usage-zeros", "zeros as usage in every event until its own", openAI, "", func(s *stage) {
			s.stream()
			s.usage = func(int) string {
				return `,"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`
			}
			s.tokens("answer")
			s.close("stop")
		}},
		{"usage-every-chunk", "a running usage in every event, three tokens each", openAI, "", func(s *stage) {
			s.stream()
			s.per, s.tell = 3, true
			s.usage = runningUsage
			s.tokens("answer")
			s.close("stop")
		}},
		{"usage-uneven", "a running usage over events of one to four tokens", openAI, "", func(s *stage) {
			s.stream()
			s.tell = true
			s.usage = runningUsage
			s.wait(s.pace.First)
			for i := range s.pace.Tokens {
				s.per = 1 + (i*7+2)%4
				s.token("answer", strings.Repeat(" ja", s.per))
				s.wait(s.pace.Gap)
			}
			s.close("stop")
		}},
		{"usage-cached", "usage with cached tokens", openAI, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.counts()
			s.truth.Cached, s.truth.Thought = 2656, 3
			s.send(fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,`+
				`"prompt_tokens_details":{"cached_tokens":2656},"completion_tokens_details":{"reasoning_tokens":3}}}`,
				prompt, s.written))
			s.done()
			s.end()
		}},
		{"usage-cached-null", "usage whose details are null: cached tokens are unknown", openAI, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.counts()
			s.truth.Thought = 0
			s.send(fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"prompt_tokens_details":null,`+
				`"reasoning_tokens":0}}`, prompt, s.written))
			s.done()
			s.end()
		}},
		{"bundled", "four tokens in each event, usage at the end", openAI, "", func(s *stage) {
			s.stream()
			s.per = 4
			s.tokens("answer")
			s.close("stop")
		}},
		{"bundled-uncounted", "four tokens in each event, no usage: the count is unknown", openAI, "", func(s *stage) {
			s.stream()
			s.per = 4
			s.tokens("answer")
			s.finish("stop")
			s.done()
			s.end()
		}},
		{"token-ids", "each choice lists its token ids, two at a time", openAI, "", func(s *stage) {
			s.stream()
			s.per, s.tell, s.choice = 2, true, `,"stop_reason":null,"token_ids":[32415,198]`
			s.tokens("answer")
			s.choice = ""
			s.close("stop")
		}},
		{"timings", "llama.cpp: progress, then timings with the finish reason, no usage", chat, "", func(s *stage) {
			s.stream()
			s.send(`{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],` +
				`"object":"chat.completion.chunk","prompt_progress":{"total":2674,"cache":2656,"processed":2660,"time_ms":7}}`)
			s.tokens("answer")
			s.counts()
			s.truth.Finish, s.truth.Cached = "stop", 2656
			s.send(fmt.Sprintf(`{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"timings":{"cache_n":2656,`+
				`"prompt_n":18,"prompt_ms":30.958,"predicted_n":%d,"predicted_ms":661.064}}`, s.written))
			s.done()
			s.end()
		}},
		{"tabby", "no role; usage with choices, and times in seconds", chat, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.counts()
			s.truth.Finish = "stop"
			s.send(fmt.Sprintf(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,`+
				`"prompt_time":0.13,"prompt_tokens_per_sec":900.0,"completion_tokens":%d,"completion_time":1.5,`+
				`"total_time":1.63}}`, prompt, s.written))
			s.done()
			s.end()
		}},
	}
}

func runningUsage(sofar int) string {
	return fmt.Sprintf(`,"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d}`, prompt, prompt+sofar,
		sofar)
}

// framings are replies that differ in how their bytes reach the client.
func framings() []Shape {
	dressed := func(change func(*stage)) func(*stage) {
		return func(s *stage) {
			change(s)
			s.stream()
			s.tokens("answer")
			s.close("stop")
		}
	}
	return []Shape{
		{"crlf", "lines end in CR LF", every, "", dressed(func(s *stage) { s.eol = "\r\n" })},
		{"cr", "lines end in CR alone", openAI, "", dressed(func(s *stage) { s.eol = "\r" })},
		{"no-space", "no space after `data:`, `data:[DONE]` included", openAI, "", dressed(func(s *stage) { s.space = "" })},
		{"event-fields", "`event:`, `id:` and `retry:` fields", openAI, "",
			dressed(func(s *stage) { s.before = "event: message\nid: 7\nretry: 3000" })},
		{"multi-line", "events whose data has three lines", openAI, "", dressed(func(s *stage) { s.lines = 3 })},
		{"keep-alive", "400 comments before the first token", openAI, "", func(s *stage) {
			s.stream()
			for range 400 {
				s.raw([]byte(": keep-alive\n\n"), nil)
			}
			s.tokens("answer")
			s.close("stop")
		}},
		{"comments-between", "a comment before each event", openAI, "",
			dressed(func(s *stage) { s.before = ": ping - 2026-11-23 10:00:00" })},
		{"byte-by-byte", "one byte per write", every, "", dressed(func(s *stage) {
			s.cut = func(b []byte) [][]byte { return split(b, 1) }
		})},
		{"split-runes", "writes that end in the middle of characters", every, "", func(s *stage) {
			s.stream()
			s.cut = splitRunes
			s.wait(s.pace.First)
			for range s.pace.Tokens {
				s.token("answer", "上青🙂")
				s.wait(s.pace.Gap)
			}
			s.close("stop")
		}},
		{"split-json", "each event in two segments, some time apart", every, "", dressed(func(s *stage) {
			s.pause = s.pace.Gap / 2
			s.cut = func(b []byte) [][]byte { return [][]byte{b[:len(b)/2], b[len(b)/2:]} }
		})},
		{"coalesced", "all events in one segment", every, "", func(s *stage) {
			s.stream()
			s.wait(s.pace.First)
			var burst []byte
			var tokens []Token
			for i := range s.pace.Tokens {
				text := words[i%len(words)]
				burst = append(burst, s.dress(s.event("answer", text, ""))...)
				tokens = append(tokens, Token{Channel: "answer", Text: text, N: 1, Told: -1})
			}
			s.written = len(tokens)
			s.raw(burst, func(at time.Time) {
				for i := range tokens {
					tokens[i].At = at
				}
			})
			s.truth.Tokens = tokens
			s.close("stop")
		}},
		{"headers-late", "headers in the same segment as the first token", every, "", func(s *stage) {
			s.wait(s.pace.First)
			data := s.dress(s.event("answer", "The", ""))
			head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n",
				s.mediaType(), len(data), data)
			s.written = 1
			s.truth.Tokens = []Token{{time.Now(), "answer", "The", 1, -1}}
			_, _ = s.conn.Write([]byte(head))
			s.pace.Tokens--
			s.tokens("answer")
			s.close("stop")
		}},
		{"headers-slow", "headers take half of the time to the first token", every, "", func(s *stage) {
			s.wait(s.pace.First / 2)
			s.stream()
			s.pace.First /= 2
			s.tokens("answer")
			s.close("stop")
		}},
		{"no-last-newline", "the last line has no line end", every, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.ownUsage()
			s.eol = ""
			s.done()
			s.end()
		}},
		{"no-done", "a finish reason, then the end without [DONE]", openAI, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.ownUsage()
			s.end()
		}},
		{"close-delimited", "no chunked encoding: the connection's end is the body's end", every, "", func(s *stage) {
			s.plain = true
			s.head("Content-Type: "+s.mediaType(), "Connection: close")
			s.tokens("answer")
			s.close("stop")
		}},
		{"open-after-done", "[DONE], and the body never ends", every, "", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.ownUsage()
			s.done()
			s.hang()
		}},
		{"gzip-if-offered", "compressed for clients that offer to take it, which holds tokens back", every, "",
			func(s *stage) {
				if strings.Contains(s.request.Header.Get("Accept-Encoding"), "gzip") {
					s.squeezed()
					return
				}
				s.stream()
				s.tokens("answer")
				s.close("stop")
			}},
		{"big-chunks", "events of a megabyte", every, "", func(s *stage) {
			s.stream()
			s.wait(s.pace.First)
			for range 3 {
				s.token("answer", strings.Repeat("0123456789abcdef", 1<<16))
				s.wait(s.pace.Gap)
			}
			s.close("stop")
		}},
		{"wrong-label", "a good stream labelled text/plain", every, "", func(s *stage) {
			s.head("Content-Type: text/plain", "Transfer-Encoding: chunked")
			s.tokens("answer")
			s.close("stop")
		}},
		{"no-label", "a good stream without a content type", every, "", func(s *stage) {
			s.head("Transfer-Encoding: chunked")
			s.tokens("answer")
			s.close("stop")
		}},
		{"named-events", "a byte order mark, and names on events", openAI, "", func(s *stage) {
			s.stream()
			s.raw([]byte("\xEF\xBB\xBF"), nil)
			s.before = "event: completion.chunk"
			s.tokens("answer")
			s.close("stop")
		}},
	}
}

// flood is for measuring speed, not correctness: tokens as fast as the connection takes them. Its
// events go out many at a time, and the truth has no instants.
var flood = Shape{"flood", "all tokens as fast as the connection takes them", openAI, "", func(s *stage) {
	s.stream()
	data := s.dress(s.event("answer", " token", ""))
	one := fmt.Appendf(nil, "%x\r\n%s\r\n", len(data), data)
	const burst = 64
	block := bytes.Repeat(one, burst)
	for left := s.pace.Tokens; left > 0 && !s.gone; left -= burst {
		_, err := s.conn.Write(block[:min(left, burst)*len(one)])
		s.gone = err != nil
	}
	s.written = s.pace.Tokens
	s.close("stop")
}}

// squeezed sends the whole stream compressed.
func (s *stage) squeezed() {
	s.head("Content-Type: "+s.mediaType(), "Content-Encoding: gzip", "Transfer-Encoding: chunked")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for i := range s.pace.Tokens {
		_, _ = z.Write(s.dress(s.event("answer", words[i%len(words)], "")))
	}
	_ = z.Close()
	s.wait(s.pace.First)
	s.raw(b.Bytes(), nil)
	s.end()
}

func split(b []byte, n int) [][]byte {
	var pieces [][]byte
	for len(b) > n {
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return append(pieces, b)
}

// splitRunes cuts after the first byte of every character outside ASCII.
func splitRunes(b []byte) [][]byte {
	var pieces [][]byte
	from := 0
	for i, c := range b {
		if c >= 0xC0 {
			pieces = append(pieces, b[from:i+1])
			from = i + 1
		}
	}
	return append(pieces, b[from:])
}
