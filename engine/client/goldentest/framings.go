package goldentest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"time"
)

// framings are replies whose bytes reach the client in different ways.
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

// flood measures speed, not correctness: it sends tokens as fast as the connection takes them. Many events share a
// write, and the truth has no instants.
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
