package sim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hit sends one streamed request of ten tokens under the faults and returns what came.
func hit(t *testing.T, f func(b *bench, lines []line, s seen, err error), faults ...Fault) {
	t.Helper()
	virtual(t, Config{Faults: faults}, func(b *bench) {
		more := fixed(10)
		more["stream_options"] = fields{"include_usage": true}
		lines, err := b.chat(user("Hello there."), more)
		f(b, lines, digestEvents(b.T, lines), err)
	})
}

// reasoned plays a reply of ten tokens of which six are reasoning, under a fault that leaves so many events of those.
func reasoned(t *testing.T, kind string, events int) {
	t.Helper()
	var plain seen
	play := func(check func(b *bench, s seen, lines []line), faults ...Fault) {
		virtual(t, Config{Wire: Wire{ReasoningTokens: 6}, Faults: faults}, func(b *bench) {
			more := fixed(10)
			more["stream_options"] = fields{"include_usage": true}
			lines, err := b.chat(user("Hello there."), more)
			if err != nil {
				t.Fatal(err)
			}
			check(b, digestEvents(b.T, lines), lines)
		})
	}
	play(func(_ *bench, s seen, _ []line) { plain = s })
	play(func(b *bench, s seen, lines []line) {
		want := append(slices.Repeat(plain.tokens[5:6], events), plain.tokens[6:]...)
		all := 0
		for _, l := range lines {
			all += strings.Count(l.data, `"reasoning"`)
		}
		if !slices.Equal(s.tokens, want) || all != events || s.usage.Completion != 10 || s.text != plain.text ||
			b.last().ReasoningTokens != 6 {
			t.Errorf("%+v, %d events of reasoning, want %v", s, all, want)
		}
	}, Fault{Kind: kind})
}

// faultTests has a test for every kind of fault.
var faultTests = map[string]func(t *testing.T){
	"status": func(t *testing.T) {
		for _, status := range []int{400, 401, 404, 429, 500, 503} {
			virtual(t, Config{Faults: []Fault{{Kind: "status", Status: status, RetryAfter: 7}}}, func(b *bench) {
				res := b.post("/v1/chat/completions", fields{"messages": user("Hi")})
				defer res.Body.Close()
				body, _ := io.ReadAll(res.Body)
				if res.StatusCode != status || res.Header.Get("Retry-After") != "7" || !json.Valid(body) ||
					b.last().Status != status {
					t.Errorf("status %d: %d, %v, %s", status, res.StatusCode, res.Header, body)
				}
			})
		}
		virtual(t, Config{Faults: []Fault{{Kind: "status", Status: 502, Body: "bad gateway"}}}, func(b *bench) {
			if status, body := b.text("POST", "/v1/completions", fields{"prompt": "Hi"}); status != 502 ||
				body != "bad gateway" {
				t.Errorf("own body: %d %s", status, body)
			}
		})
	},
	"html": func(t *testing.T) {
		virtual(t, Config{Faults: []Fault{{Kind: "html"}}}, func(b *bench) {
			res := b.post("/v1/chat/completions", fields{"messages": user("Hi"), "stream": true})
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") ||
				!strings.HasPrefix(string(body), "<!DOCTYPE html>") {
				t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
			}
		})
	},
	"delay": func(t *testing.T) {
		plain := []time.Duration(nil)
		hit(t, func(b *bench, _ []line, s seen, _ error) { plain = s.tokens })
		virtual(t, Config{Faults: []Fault{{Kind: "delay", Delay: Duration(time.Second)}}}, func(b *bench) {
			sent := time.Now()
			body := fixed(10)
			body["messages"], body["stream"] = user("Hello there."), true
			res := b.post("/v1/chat/completions", body)
			if headers := time.Since(sent); headers != time.Second {
				t.Errorf("headers after %v, want 1s", headers)
			}
			lines, _ := readEvents(res.Body, sent)
			res.Body.Close()
			s := digestEvents(b.T, lines)
			if s.tokens[0] != plain[0]+time.Second || b.last().TTFT != s.tokens[0] {
				t.Errorf("first token at %v, ledger %v, want %v", s.tokens[0], b.last().TTFT, plain[0]+time.Second)
			}
		})
	},
	"hang": func(t *testing.T) {
		plain := []time.Duration(nil)
		hit(t, func(b *bench, _ []line, s seen, _ error) { plain = s.tokens })
		for _, token := range []int{0, 5, -1} {
			hit(t, func(b *bench, lines []line, s seen, err error) {
				want := slices.Clone(plain)
				end := time.Second // from the beginning, at token 0
				if token > 0 {
					end += plain[token-1]
				}
				for i := range want {
					if token >= 0 && i >= token {
						want[i] = max(want[i], end)
					}
				}
				if !slices.Equal(s.tokens, want) || !slices.Equal(b.last().Tokens, want) {
					t.Errorf("a hang at %d: tokens at %v, ledger %v, want %v", token, s.tokens, b.last().Tokens, want)
				}
				if done := lines[len(lines)-1]; done.data != "[DONE]" || token < 0 && done.at != plain[9]+time.Second {
					t.Errorf("a hang at %d: %q at %v", token, done.data, done.at)
				}
			}, Fault{Kind: "hang", Token: token, Delay: Duration(time.Second)})
		}
		virtual(t, Config{Faults: []Fault{{Kind: "hang", Token: 3}}}, func(b *bench) {
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			body := fields{"messages": user("Hi"), "stream": true, "max_tokens": 10}
			r, _ := http.NewRequestWithContext(ctx, "POST", "http://sim/v1/chat/completions",
				strings.NewReader(string(encode(body))))
			res, err := b.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			lines, err := readEvents(res.Body, time.Now())
			time.Sleep(time.Microsecond)
			if n := len(digestEvents(b.T, lines).tokens); n != 3 || !errors.Is(err, context.DeadlineExceeded) ||
				b.last().Finish != "abort" || b.last().OutputTokens != 3 {
				t.Errorf("for ever: %d tokens, err %v, ledger %+v", n, err, b.last())
			}
		})
	},
	"error": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if len(s.tokens) != 4 || s.failed == "" || !s.done || s.finish != "" || err != nil || b.last().Finish != "error" ||
				b.last().OutputTokens != 4 {
				t.Errorf("%+v, err %v, ledger %+v", s, err, b.last())
			}
			if n := b.s.engine.metrics.success["error"]; n != 1 {
				t.Errorf("%d errors counted", n)
			}
		}, Fault{Kind: "error", Token: 4})
		virtual(t, Config{Faults: []Fault{{Kind: "error", Token: 4}}}, func(b *bench) {
			if status, _ := b.text("POST", "/v1/completions", fields{"prompt": "Hi"}); status != 500 || b.last().Status != 500 {
				t.Errorf("in one piece: %d", status)
			}
		})
	},
	"eof": func(t *testing.T) {
		for token, want := range map[int]int{0: 0, 4: 4, -1: 10} {
			hit(t, func(b *bench, _ []line, s seen, err error) {
				if len(s.tokens) != want || s.done || s.finish != "" || err != nil || s.usage != nil || b.last().Finish != "error" {
					t.Errorf("at %d: %+v, err %v, ledger %+v", token, s, err, b.last())
				}
			}, Fault{Kind: "eof", Token: token})
		}
	},
	"reset": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if len(s.tokens) != 4 || s.done || err == nil || b.last().Finish != "error" {
				t.Errorf("%+v, err %v", s, err)
			}
		}, Fault{Kind: "reset", Token: 4})
	},
	"crash": func(t *testing.T) {
		crashed := 0
		virtual(t, Config{Faults: []Fault{{Kind: "crash", Token: 2}}, Crash: func() { crashed++ }}, func(b *bench) {
			lines, err := b.chat(user("Hi"), nil)
			if n := len(digestEvents(b.T, lines).tokens); n != 2 || err == nil || crashed != 1 {
				t.Errorf("%d tokens, err %v, crashed %d times", n, err, crashed)
			}
		})
	},
	"malformed": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if s.bad != 1 || len(s.tokens) != 10 || !s.done || err != nil {
				t.Errorf("%+v, err %v", s, err)
			}
		}, Fault{Kind: "malformed", Token: 4})
		virtual(t, Config{Faults: []Fault{{Kind: "malformed"}}}, func(b *bench) {
			if _, body := b.text("POST", "/v1/completions", fields{"prompt": "Hi"}); body == "" || json.Valid([]byte(body)) {
				t.Errorf("in one piece: %s", body)
			}
		})
	},
	"oversized": func(t *testing.T) {
		for count, want := range map[int]int{0: defaultOversize, 3 << 20: 3 << 20} {
			hit(t, func(b *bench, lines []line, s seen, err error) {
				sizes := 0
				for i, l := range lines {
					if len(l.data) == want && i == 5 { // the role, then four tokens
						sizes++
					}
				}
				if sizes != 1 || len(s.tokens) != 10 || !s.done || s.bad != 0 || err != nil {
					t.Errorf("%d bytes: %d such lines, err %v", want, sizes, err)
				}
			}, Fault{Kind: "oversized", Token: 4, Count: count})
		}
	},
	"split_utf8": func(t *testing.T) {
		virtual(t, Config{Faults: []Fault{{Kind: "split_utf8"}}}, func(b *bench) {
			res := b.post("/v1/chat/completions", fields{"messages": user("Hi"), "stream": true})
			defer res.Body.Close()
			broken, all := 0, []byte(nil)
			buf := make([]byte, 64<<10)
			for {
				n, err := res.Body.Read(buf)
				if n > 0 && !strings.Contains(string(buf[:n]), "上") && !isText(buf[:n]) {
					broken++
				}
				all = append(all, buf[:n]...)
				if err != nil {
					break
				}
			}
			if broken < 2 || !strings.Contains(string(all), "上青") || !strings.Contains(b.last().Text, "上青") {
				t.Errorf("%d reads cut a character, text %q", broken, all)
			}
		})
	},
	"coalesce": func(t *testing.T) {
		plain := []time.Duration(nil)
		hit(t, func(b *bench, _ []line, s seen, _ error) { plain = s.tokens })
		hit(t, func(b *bench, _ []line, s seen, err error) {
			want := []time.Duration{plain[2], plain[2], plain[2], plain[5], plain[5], plain[5], plain[8], plain[8], plain[8],
				plain[9]}
			if !slices.Equal(s.tokens, want) || !slices.Equal(b.last().Tokens, want) || !s.done || err != nil {
				t.Errorf("tokens at %v, ledger %v, want %v", s.tokens, b.last().Tokens, want)
			}
		}, Fault{Kind: "coalesce", Count: 3})
	},
	"bundle": func(t *testing.T) {
		var plain seen
		hit(t, func(b *bench, _ []line, s seen, _ error) { plain = s })
		hit(t, func(b *bench, _ []line, s seen, err error) {
			p := plain.tokens
			want := []time.Duration{p[2], p[2], p[2], p[5], p[5], p[5], p[8], p[8], p[8], p[9]}
			if !slices.Equal(s.tokens, []time.Duration{p[2], p[5], p[8], p[9]}) || s.text != plain.text ||
				!slices.Equal(b.last().Tokens, want) || s.usage.Completion != 10 || s.finish != "length" || err != nil {
				t.Errorf("%+v, ledger %v, want %v", s, b.last().Tokens, want)
			}
		}, Fault{Kind: "bundle", Count: 3})
	},
	"buffer": func(t *testing.T) {
		var plain seen
		hit(t, func(b *bench, _ []line, s seen, _ error) { plain = s })
		hit(t, func(b *bench, _ []line, s seen, err error) {
			var want []time.Duration
			for i := range 10 {
				want = append(want, plain.tokens[9]+time.Duration(i)*200*time.Microsecond)
			}
			if !slices.Equal(s.tokens, want) || s.text != plain.text || b.last().TTFT != want[9] || s.finish != "length" ||
				!s.done || err != nil {
				t.Errorf("%+v, want %v", s, want)
			}
		}, Fault{Kind: "buffer"})
	},
	"late_end": func(t *testing.T) {
		var plain seen
		hit(t, func(b *bench, _ []line, s seen, _ error) { plain = s })
		hit(t, func(b *bench, lines []line, s seen, err error) {
			if want := append(slices.Clone(plain.tokens), plain.tokens[9]+300*time.Millisecond); !slices.Equal(s.tokens, want) ||
				s.finish != "length" || s.text != plain.text || err != nil || strings.Contains(lines[10].data, `"length"`) {
				t.Errorf("%+v, want %v", s, want)
			}
		}, Fault{Kind: "late_end"})
	},
	"whole_reasoning":  func(t *testing.T) { reasoned(t, "whole_reasoning", 1) },
	"hidden_reasoning": func(t *testing.T) { reasoned(t, "hidden_reasoning", 0) },
	"role_early": func(t *testing.T) {
		check := func(want time.Duration, faults ...Fault) {
			hit(t, func(b *bench, lines []line, s seen, err error) {
				if want < 0 {
					want = s.tokens[0]
				}
				if !strings.Contains(lines[0].data, `"role":"assistant"`) || lines[0].at != want || len(s.tokens) != 10 ||
					err != nil {
					t.Errorf("%v: first event at %v, want %v", faults, lines[0].at, want)
				}
			}, faults...)
		}
		check(-1)
		check(0, Fault{Kind: "role_early"})
	},
	"no_usage": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if s.usage != nil || !s.done || len(s.tokens) != 10 {
				t.Errorf("%+v", s)
			}
		}, Fault{Kind: "no_usage"})
		virtual(t, Config{Faults: []Fault{{Kind: "no_usage"}}}, func(b *bench) {
			if _, body := b.text("POST", "/v1/completions", fields{"prompt": "Hi"}); strings.Contains(body, "usage") {
				t.Errorf("in one piece: %s", body)
			}
		})
	},
	"no_done": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if s.done || s.usage == nil || s.finish != "length" || err != nil {
				t.Errorf("%+v", s)
			}
		}, Fault{Kind: "no_done"})
	},
	"cached": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if s.usage.Details == nil || s.usage.Details.Cached != 999 || b.last().CachedTokens != 0 {
				t.Errorf("%+v, ledger %d", s.usage, b.last().CachedTokens)
			}
		}, Fault{Kind: "cached", Count: 999})
	},
	"usage": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if s.usage.Completion != 7 || s.usage.Total != s.usage.Prompt+7 || b.last().OutputTokens != 10 {
				t.Errorf("%+v, ledger %d", s.usage, b.last().OutputTokens)
			}
		}, Fault{Kind: "usage", Count: 7})
	},
	"trickle": func(t *testing.T) {
		plain := []time.Duration(nil)
		hit(t, func(b *bench, _ []line, s seen, _ error) { plain = s.tokens })
		hit(t, func(b *bench, lines []line, s seen, err error) {
			long := time.Duration(len("data: ")+len(lines[4].data)+1) * 10 * time.Millisecond // the last byte ends the event
			if got := lines[4].at - plain[3]; !slices.Equal(s.tokens[:3], plain[:3]) || got != long-10*time.Millisecond &&
				got != long || !s.done || err != nil {
				t.Errorf("tokens at %v, plain %v, the fourth took %v of %v, err %v", s.tokens, plain, got, long, err)
			}
		}, Fault{Kind: "trickle", Token: 3})
	},
	"cut": func(t *testing.T) {
		hit(t, func(b *bench, lines []line, s seen, err error) {
			if len(s.tokens) != 4 || s.done || s.finish != "" || err != nil || b.last().Finish != "error" ||
				b.last().OutputTokens != 4 {
				t.Errorf("%+v, err %v, ledger %+v", s, err, b.last())
			}
		}, Fault{Kind: "cut", Token: 4})
	},
	"truncate": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if s.usage.Prompt != 8 || b.last().PromptTokens != 8 || err != nil {
				t.Errorf("%+v, ledger %d, err %v", s.usage, b.last().PromptTokens, err)
			}
		}, Fault{Kind: "truncate", Count: 8})
	},
	"no_tools": func(t *testing.T) {
		virtual(t, Config{Faults: []Fault{{Kind: "no_tools", Requests: []int{2}}}}, func(b *bench) {
			for want := range 2 {
				b.post("/v1/chat/completions", fields{"messages": []fields{{"role": "user", "content": "Read parser.go."}},
					"tools": []fields{{"type": "function", "function": fields{"name": "read_file"}}}, "tool_choice": "required",
				}).Body.Close()
				if got := b.last(); len(got.Calls) != 1-want || (got.Text == "") != (want == 0) {
					t.Errorf("request %d: %d calls, text %q", want+1, len(got.Calls), got.Text)
				}
			}
		})
	},
	"swap": func(t *testing.T) {
		hit(t, func(b *bench, lines []line, _ seen, err error) {
			if !strings.Contains(lines[0].data, `"model":"another"`) || b.last().Model == "another" || err != nil {
				t.Errorf("%s, ledger %s, err %v", lines[0].data, b.last().Model, err)
			}
		}, Fault{Kind: "swap", Body: "another"})
	},
	"skew": func(t *testing.T) {
		virtual(t, Config{Faults: []Fault{{Kind: "skew", Delay: Duration(time.Hour)}}}, func(b *bench) {
			res := b.post("/v1/completions", fields{"prompt": "Hi"})
			defer res.Body.Close()
			var reply struct{ Created int64 }
			if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
				t.Fatal(err)
			}
			if want := b.last().Arrival.Add(time.Hour); reply.Created != want.Unix() ||
				res.Header.Get("Date") != want.UTC().Format(http.TimeFormat) {
				t.Errorf("created %d, %s, want %v", reply.Created, res.Header.Get("Date"), want)
			}
		})
	},
	"counters": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, _ error) {
			if m := b.s.engine.metrics; m.cached != 48 || m.hits != 48 || b.last().CachedTokens != 0 {
				t.Errorf("%d cached, %d hits, ledger %d", m.cached, m.hits, b.last().CachedTokens)
			}
		}, Fault{Kind: "counters", Count: 48})
	},
	"no_metrics": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			if status, _ := b.text("GET", "/metrics", nil); status != 404 || !s.done || err != nil {
				t.Errorf("status %d, err %v", status, err)
			}
		}, Fault{Kind: "no_metrics"})
	},
	"restart": func(t *testing.T) {
		virtual(t, Config{Faults: []Fault{{Kind: "restart", Requests: []int{3}}}}, func(b *bench) {
			for i, warm := range []bool{false, true, false} {
				time.Sleep(time.Second)
				b.ask(user(strings.Repeat("The pump stands in the cellar. ", 8)), fixed(2))
				if got := b.last().CachedTokens > 0; got != warm {
					t.Errorf("request %d: %d cached tokens", i+1, b.last().CachedTokens)
				}
			}
			if m := b.s.engine.metrics; m.success["length"] != 1 || !m.created.Equal(b.last().Arrival) {
				t.Errorf("%v ended since %v", m.success, m.created)
			}
		})
	},
	"guest": func(t *testing.T) {
		hit(t, func(b *bench, _ []line, s seen, err error) {
			time.Sleep(time.Minute) // until the guest has all of its reply
			synctest.Wait()         // what it counted is to be seen here
			m := b.s.engine.metrics
			if m.prompt != s.usage.Prompt+300 || m.generated != 10+guestReply || m.success["length"] != 2 ||
				len(b.s.Ledger()) != 1 || !s.done || err != nil {
				t.Errorf("%d prompt tokens, %d written, %d ended, %d of ours, err %v", m.prompt, m.generated, m.success["length"],
					len(b.s.Ledger()), err)
			}
		}, Fault{Kind: "guest", Token: 4, Count: 300})
	},
}

func isText(b []byte) bool { return strings.ToValidUTF8(string(b), "") == string(b) }

func TestFaults(t *testing.T) {
	for _, k := range Kinds {
		if k.Doc == "" || faultTests[k.Name] == nil {
			t.Errorf("fault %s has no doc or no test", k.Name)
			continue
		}
		t.Run(k.Name, faultTests[k.Name])
	}
}
