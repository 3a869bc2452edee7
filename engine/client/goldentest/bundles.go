package goldentest

import (
	"fmt"
	"strings"
	"time"
)

// bundles are replies whose events do not correspond to the tokens as they were made.
func bundles() []Shape {
	return []Shape{
		{"reasoning-flushed", "half of it reasoning, kept back and sent as one event", chat, "", func(s *stage) {
			s.stream()
			s.flushed()
			s.half("answer")
			s.close("stop")
		}},
		{"reasoning-flushed-counted", "the same with a running usage in every event", chat, "", func(s *stage) {
			s.stream()
			s.tell, s.usage = true, runningUsage
			s.flushed()
			s.half("answer")
			s.close("stop")
		}},
		{"reasoning-hidden", "half of it reasoning, counted and never sent", openAI, "", func(s *stage) {
			s.stream()
			s.hidden()
			s.half("answer")
			s.close("stop")
		}},
		{"reasoning-hidden-counted", "the same with a running usage in every event", openAI, "", func(s *stage) {
			s.stream()
			thought := s.hidden()
			s.usage = runningUsage
			s.half("answer")
			for i := range s.truth.Tokens { // the first event counts all tokens before it
				s.truth.Tokens[i].Told = 1
			}
			s.truth.Tokens[0].Told += thought
			s.close("stop")
		}},
		{"timings-per-token", "llama.cpp: timings in every event, of one to four tokens", openAI, "", func(s *stage) {
			s.stream()
			s.tell = true
			s.usage = func(sofar int) string {
				return fmt.Sprintf(`,"timings":{"cache_n":0,"prompt_n":%d,"prompt_ms":30.9,"predicted_n":%d,"predicted_ms":1}`,
					prompt, sofar)
			}
			s.wait(s.pace.First)
			for i := range s.pace.Tokens {
				s.per = 1 + (i*5+1)%4
				s.token("answer", strings.Repeat(" ja", s.per))
				s.wait(s.pace.Gap)
			}
			s.truth.Cached = 0
			s.close("stop")
		}},
		{"end-late", "a finish reason long after the last text", openAI, "", ending(10, 0, "stop")},
		{"end-token", "the end of the sequence is a token without text, which is counted", every, "", ending(1, 1, "stop")},
		{"end-token-late", "the same, and it takes long", every, "", ending(10, 1, "stop")},
		{"length-late", "cut at max_tokens, and told so long after", openAI, "", ending(10, 0, "length")},
		{"buffered", "all of it kept back, then sent event by event", every, "", func(s *stage) {
			s.stream()
			s.truth.Each = s.pace.Gap
			s.wait(s.pace.First + time.Duration(s.pace.Tokens)*s.pace.Gap)
			s.pace.First, s.pace.Gap = 0, 0
			s.tokens("answer")
			s.close("stop")
		}},
	}
}

// flushed sends the first half of the pace's tokens as one event.
func (s *stage) flushed() {
	per := s.per
	s.per = s.pace.Tokens / 2
	s.wait(s.pace.First + time.Duration(s.per-1)*s.pace.Gap)
	s.token("reasoning", strings.Repeat("hm ", s.per))
	s.per = per
}

// hidden makes the first half of the pace's tokens and does not send them. The first token that is sent comes later
// than the pace's time to first token.
func (s *stage) hidden() (tokens int) {
	tokens = s.pace.Tokens / 2
	s.written += tokens
	s.wait(time.Duration(tokens) * s.pace.Gap)
	return tokens
}

// ending sends one token per event, and then the end after some gaps and some tokens without text.
func ending(gaps, unseen int, reason string) func(*stage) {
	return func(s *stage) {
		s.stream()
		s.tokens("answer")
		s.wait(time.Duration(gaps) * s.pace.Gap)
		s.written += unseen
		s.close(reason)
	}
}
