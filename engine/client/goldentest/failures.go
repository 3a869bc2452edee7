package goldentest

import "fmt"

// failures are replies that a client must report as failed.
func failures() []Shape {
	refusal := func(code int, body string, header ...string) func(*stage) {
		return func(s *stage) { s.answer(code, "application/json", body, header...) }
	}
	midway := func(last func(*stage)) func(*stage) {
		return func(s *stage) {
			s.stream()
			s.half("answer")
			last(s)
		}
	}
	return []Shape{
		// Errors inside a stream whose status was already 200.
		{"error-object", "an error event as vLLM sends it now", openAI, "server_error", midway(func(s *stage) {
			s.send(`{"error":{"message":"EngineCore encountered an issue","type":"InternalServerError","param":null,` +
				`"code":500}}`)
			s.done()
			s.end()
		})},
		{"error-flat", "an error event as vLLM used to send it", openAI, "server_error", midway(func(s *stage) {
			s.send(`{"object":"error","message":"engine is dead","type":"InternalServerError","param":null,"code":500}`)
			s.done()
			s.end()
		})},
		{"error-string", "an error event whose error is a text; Ollama's error line", every, "server_error",
			midway(func(s *stage) {
				s.send(`{"error":"an error was encountered while running the model"}`)
				s.end()
			})},
		{"error-named", "`event: error`, as LM Studio sends it", openAI, "server_error", midway(func(s *stage) {
			s.before = "event: error"
			s.send(`{"message":"Model unloaded"}`)
			s.end()
		})},
		{"error-field", "a field named `error`, as llama.cpp used to send it", openAI, "server_error", midway(func(s *stage) {
			s.raw([]byte(`error: {"code":500,"message":"slot unavailable","type":"server_error"}`+"\n\n"), nil)
			s.end()
		})},
		{"error-spaced", "an error event with space where go-openai expects none", openAI, "server_error",
			midway(func(s *stage) {
				s.raw([]byte(": ping\n\ndata: { \"error\" : { \"message\" : \"boom\" } }\n\n"), nil)
				s.end()
			})},
		{"error-overflow", "a context that overflows in mid-stream", openAI, "context_overflow", midway(func(s *stage) {
			s.send(`{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 tokens),` +
				` try increasing it","type":"exceed_context_size_error"}}`)
			s.end()
		})},

		// Streams that end or break too early.
		{"truncated", "the stream ends in order, without finish reason or [DONE]", every, "truncated", midway((*stage).end)},
		{"truncated-event", "the body ends in order in the middle of an event", every, "truncated", midway(func(s *stage) {
			s.raw(s.dress(s.event("answer", "never whole", ""))[:40], nil)
			s.end()
		})},
		{"cut", "the connection closes in the middle of an HTTP chunk", every, "reset", midway(func(s *stage) {
			fmt.Fprintf(s.conn, "ff\r\ndata: {\"choices\":[{\"de")
		})},
		{"reset", "the connection is reset in the middle", every, "reset", midway((*stage).reset)},
		{"hang-first", "headers, then silence", every, "timeout_first_token", func(s *stage) {
			s.stream()
			s.hang()
		}},
		{"hang-role", "a role and keep-alives, but no token", chat, "timeout_first_token", func(s *stage) {
			s.stream()
			s.send(s.event("role", "assistant", ""))
			for range 3 {
				s.wait(s.pace.Gap)
				s.raw([]byte(": keep-alive\n\n"), nil)
			}
			s.hang()
		}},
		{"hang-headers", "not even headers", every, "timeout_first_token", (*stage).hang},
		{"hang-middle", "silence in the middle", every, "timeout_idle", midway((*stage).hang)},
		{"hang-last", "all tokens, then silence", every, "timeout_idle", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.hang()
		}},
		{"hang-finished", "a finish reason, then silence", openAI, "timeout_idle", func(s *stage) {
			s.stream()
			s.tokens("answer")
			s.finish("stop")
			s.hang()
		}},
		{"closed", "the connection closes without an answer", every, "reset", func(*stage) {}},

		// Well-formed replies with no content.
		{"empty-stream", "a finish reason and no token", every, "empty", func(s *stage) {
			s.stream()
			s.close("stop")
		}},
		{"empty-done", "[DONE] and nothing else", openAI, "empty", func(s *stage) {
			s.stream()
			s.done()
			s.end()
		}},
		{"empty-body", "HTTP 200 and no body", every, "empty", func(s *stage) { s.answer(200, s.mediaType(), "") }},

		// Replies of something that is not an LLM API.
		{"html", "a web page with status 200", every, "protocol", func(s *stage) {
			s.answer(200, "text/html; charset=utf-8", "<!DOCTYPE html>\n<html><head><title>Open "+
				"WebUI</title></head><body></body></html>")
		}},
		{"html-as-stream", "a web page labelled as a stream", openAI, "protocol", func(s *stage) {
			s.answer(200, "text/event-stream", "<html><head><title>502 Bad Gateway</title></head></html>")
		}},
		{"html-502", "a proxy's error page", every, "protocol", func(s *stage) {
			s.answer(502, "text/html", "<html><head><title>502 Bad "+
				"Gateway</title></head><body><center>nginx</center></body></html>")
		}},
		{"binary", "bytes of another type", every, "protocol", func(s *stage) {
			s.answer(200, "application/octet-stream", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
		}},
		{"other-json", "JSON of another API", every, "protocol", refusal(200, `{"status":"ok","uptime":17}`)},
		{"bad-json", "an event that is no JSON, in the middle", every, "protocol", midway(func(s *stage) {
			s.send(`{"choices":[{"delta":{"content":"x"}]}`)
			s.end()
		})},
		{"gzip-forced", "compressed although not offered", every, "protocol", (*stage).squeezed},
		{"not-http", "something else listens on the port", every, "protocol", func(s *stage) {
			fmt.Fprintf(s.conn, "SSH-2.0-OpenSSH_9.9\r\n")
		}},
		{"json-body", "a whole completion in place of a stream: text and counts are known, times are not", every, "",
			func(s *stage) {
				s.wait(s.pace.First)
				s.truth.Prompt, s.truth.Completion, s.truth.Finish = prompt, 2, "stop"
				body := `{"id":"chatcmpl-7f","object":"chat.completion","created":1799999999,"model":"golden",` +
					`"choices":[{"index":0,"message":{"role":"assistant","content":"Ja."},"finish_reason":"stop"}],` +
					`"usage":{"prompt_tokens":2674,"completion_tokens":2,"total_tokens":2676}}`
				switch s.api {
				case Completions:
					body = `{"id":"cmpl-7f","object":"text_completion","choices":[{"index":0,"text":"Ja.","finish_reason":"stop"}],` +
						`"usage":{"prompt_tokens":2674,"completion_tokens":2,"total_tokens":2676}}`
				case Ollama:
					body = `{"model":"golden","message":{"role":"assistant","content":"Ja."},"done":true,"done_reason":"stop",` +
						`"prompt_eval_count":2674,"eval_count":2}`
				case Responses, Messages:
					body = s.typedBody()
					s.truth.Finish = finishWords[s.api]["stop"]
				}
				s.truth.Whole = "Ja."
				s.answer(200, "application/json", body)
			}},

		// Refusals, in the words of the servers.
		{"redirect", "a redirect to another host", every, "redirect",
			refusal(307, "", "Location: https://elsewhere.example/v1")},
		{"overflow-vllm", "vLLM: the prompt does not fit", openAI, "context_overflow",
			refusal(400, `{"error":{"message":"This model's maximum context length is 16384 tokens. However,`+
				` you requested 8192 output tokens and your prompt contains at least 8193 input tokens,`+
				` for a total of at least 16385 tokens. Please reduce the length of the input prompt or the number of requested `+
				`output tokens.","type":"BadRequestError","param":null,"code":400}}`)},
		{"overflow-vllm-old", "vLLM before 0.10: the prompt does not fit", openAI, "context_overflow",
			refusal(400, `{"object":"error","message":"This model's maximum context length is 8192 tokens. However,`+
				` you requested 9000 tokens (8192 in the messages, 808 in the completion). Please reduce the length of the `+
				`messages or completion.","type":"BadRequestError","param":null,"code":400}`)},
		{"overflow-llamacpp", "llama.cpp: the prompt does not fit", openAI, "context_overflow",
			refusal(400, `{"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 `+
				`tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}`)},
		{"overflow-ollama", "Ollama with truncate: false: the prompt does not fit", ollama, "context_overflow",
			refusal(400, `{"error":"the input length exceeds the context length"}`)},
		{"overflow-sglang", "SGLang: the prompt does not fit", openAI, "context_overflow",
			refusal(400, `{"object":"error","message":"The input (9000 tokens) is longer than the model's context length `+
				`(8192 tokens).","type":"BadRequestError","param":null,"code":400}`)},
		{"overflow-tabby", "TabbyAPI: the prompt does not fit", openAI, "context_overflow",
			refusal(400, `{"error":{"message":"Prompt length 9000 exceeds the available context size of 8192 tokens",`+
				`"type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`)},
		{"bad-field", "a field the server does not accept", openAI, "bad_request",
			refusal(400, `{"error":{"message":"temperature must be non-negative","type":"BadRequestError",`+
				`"param":"temperature","code":400}}`)},
		{"bad-field-fastapi", "FastAPI's list of complaints", openAI, "bad_request",
			refusal(422, `{"detail":[{"loc":["body","messages",0,"role"],"msg":"field required",`+
				`"type":"value_error.missing"}]}`)},
		{"unauthorized", "vLLM's 401, whose error is a text", every, "unauthorized",
			refusal(401, `{"error":"Unauthorized"}`)},
		{"unauthorized-echo", "a 401 that repeats the key", every, "unauthorized", func(s *stage) {
			s.answer(401, "application/json", `{"error":{"message":"Incorrect API key provided: `+
				``+s.request.Header.Get("Authorization")+`"}}`)
		}},
		{"model-vllm", "vLLM does not have the model", openAI, "model_not_found",
			refusal(404, "{\"error\":{\"message\":\"The model `golden` does not "+
				"exist.\",\"type\":\"NotFoundError\",\"param\":\"model\",\"code\":404}}")},
		{"model-ollama", "Ollama does not have the model", ollama, "model_not_found",
			refusal(404, `{"error":"model \"golden\" not found, try pulling it first"}`)},
		{"no-endpoint", "the path does not exist", every, "bad_request", refusal(404, `{"detail":"Not Found"}`)},
		{"rate-limit", "429 with Retry-After", every, "overloaded", refusal(429, `{"error":{"message":"Too many requests"}}`,
			"Retry-After: 7")},
		{"loading", "llama.cpp is still loading the model", openAI, "overloaded",
			refusal(503, `{"error":{"message":"Loading model","type":"unavailable_error","code":503}}`)},
		{"busy", "Ollama's queue is full", ollama, "overloaded",
			refusal(503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`)},
		{"broken", "500", every, "server_error", refusal(500,
			`{"error":{"message":"CUDA error: out of memory","type":"InternalServerError","code":500}}`)},
		{"endless-line", "a line that never ends", every, "too_large", func(s *stage) {
			s.stream()
			s.raw([]byte("data: {\"x\":\""), nil)
			block := make([]byte, 64<<10)
			for i := range block {
				block[i] = 'a'
			}
			for range 1 << 10 {
				if _, err := fmt.Fprintf(s.conn, "%x\r\n%s\r\n", len(block), block); err != nil {
					return
				}
			}
		}},
	}
}
