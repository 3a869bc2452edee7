package goldentest

import (
	"fmt"
	"strings"
	"time"
)

// Shape is one form of a server's reply.
type Shape struct {
	Name string
	Doc  string
	APIs []string // the APIs that have it
	Want string   // the error class expected; empty: none
	play func(*stage)
}

var (
	chat   = []string{Chat}
	ollama = []string{Ollama}
	openAI = []string{Chat, Completions}
	thinks = []string{Chat, Ollama, Responses, Messages} // with words for reasoning and tools
	every  = []string{Chat, Completions, Ollama, Responses, Messages}
)

// streams are replies whose events differ in content.
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
		{"reasoning", "half of it reasoning, under `reasoning`; Ollama's `thinking`", thinks, "",
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
		{"tool-calls", "nothing but a tool call", thinks, "", func(s *stage) {
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
		{"refusal", "a refusal in place of content", []string{Chat, Responses}, "", func(s *stage) {
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
