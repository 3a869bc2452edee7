package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"homellm/engine/sim"
)

// edits changes the requests for chats.
func edits(change func(map[string]any)) func(*memory, http.Handler) http.Handler {
	return func(_ *memory, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isChat(r) {
				var q map[string]any
				if json.NewDecoder(r.Body).Decode(&q) == nil {
					change(q)
				}
				body, _ := json.Marshal(q) // it was JSON
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			}
			next.ServeHTTP(w, r)
		})
	}
}

// counts changes a number of the usage in replies: the first group of the pattern.
func counts(pattern string, change func(prompt, n int) int) func(*memory, http.Handler) http.Handler {
	number := regexp.MustCompile(pattern)
	rewrite := func(data []byte) []byte {
		var prompt, n int
		if found := counted.FindSubmatch(data); found != nil {
			_, _ = fmt.Sscan(string(found[1]), &prompt) // digits
		}
		return number.ReplaceAllFunc(data, func(key []byte) []byte {
			name, digits, _ := bytes.Cut(key, []byte(":"))
			_, _ = fmt.Sscan(string(digits), &n) // ditto
			return fmt.Appendf(nil, "%s:%d", name, change(prompt, n))
		})
	}
	return func(_ *memory, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isChat(r) {
				w = &rewritten{w, rewrite}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// reports gives a number of the usage in replies from what the server counted before: of the latest turn of each
// conversation, by its first message, and under "" of the latest turn of all.
func reports(pattern string, of func(seen map[string]int, conversation string) (int, bool)) func(*memory,
	http.Handler) http.Handler {
	number := regexp.MustCompile(pattern)
	return func(_ *memory, next http.Handler) http.Handler {
		seen := map[string]int{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			chat := []sim.Message(nil)
			if isChat(r) {
				chat = messagesOf(r)
			}
			if len(chat) == 0 {
				next.ServeHTTP(w, r)
				return
			}
			told, lie := of(seen, chat[0].Content)
			next.ServeHTTP(&rewritten{w, func(data []byte) []byte {
				return number.ReplaceAllFunc(data, func(key []byte) []byte {
					name, digits, _ := bytes.Cut(key, []byte(":"))
					var n int
					_, _ = fmt.Sscan(string(digits), &n) // digits
					seen[chat[0].Content], seen[""] = n, n
					if !lie {
						told = n
					}
					return fmt.Appendf(nil, "%s:%d", name, told)
				})
			}}, r)
		})
	}
}

// rewritten is a reply that says something else.
type rewritten struct {
	http.ResponseWriter
	change func([]byte) []byte
}

func (w *rewritten) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *rewritten) Write(data []byte) (int, error) {
	if _, err := w.ResponseWriter.Write(w.change(data)); err != nil {
		return 0, err
	}
	return len(data), nil
}

// onRemoval does something before each prompt that lacks a document which the conversation had before.
func onRemoval(do func(next http.Handler, w http.ResponseWriter, first bool)) func(*memory, http.Handler) http.Handler {
	return func(m *memory, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := &paced{ResponseWriter: w, began: time.Now()}
			if isChat(r) {
				if removed, first := m.removed(messagesOf(r)); removed {
					do(next, p, first)
				}
			}
			next.ServeHTTP(p, r)
		})
	}
}

// emptyCache asks the simulator to empty its cache.
func emptyCache(h http.Handler) {
	r, err := http.NewRequest(http.MethodPost, "/reset_prefix_cache", nil)
	if err != nil {
		panic(err)
	}
	h.ServeHTTP(&withheld{ResponseWriter: nil, header: http.Header{}}, r)
}

// paced is a reply that is slower than the simulator's.
type paced struct {
	http.ResponseWriter
	began time.Time
	last  time.Time
	twice bool          // the first piece takes twice as long
	gap   time.Duration // at least between two pieces
}

func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *paced) Write(data []byte) (int, error) {
	if len(data) > 0 {
		switch now := time.Now(); {
		case p.last.IsZero() && p.twice:
			time.Sleep(now.Sub(p.began))
		case !p.last.IsZero():
			time.Sleep(p.gap - now.Sub(p.last))
		}
		p.last = time.Now()
	}
	return p.ResponseWriter.Write(data)
}

// withheld keeps a reply until its end.
type withheld struct {
	http.ResponseWriter
	header http.Header
	body   bytes.Buffer
}

func (w *withheld) Header() http.Header {
	if w.ResponseWriter == nil {
		return w.header
	}
	return w.ResponseWriter.Header()
}

func (w *withheld) WriteHeader(int)                {}
func (w *withheld) Write(data []byte) (int, error) { return w.body.Write(data) }
func (w *withheld) FlushError() error              { return nil }
func (w *withheld) Flush()                         {}

// withoutDocuments takes the documents out of the messages of a request.
func withoutDocuments(body map[string]any) {
	messages, _ := body["messages"].([]any)
	for _, m := range messages {
		if m, ok := m.(map[string]any); ok {
			content, _ := m["content"].(string)
			m["content"] = block.ReplaceAllString(content, "")
		}
	}
}

// callsNothingThere answers requests with tools by calling a tool that does not exist.
func callsNothingThere(_ *memory, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Tools []json.RawMessage `json:"tools"`
		}
		if !isChat(r) || json.Unmarshal(bodyOf(r), &q) != nil || len(q.Tools) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, data := range []string{
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":` +
				`{"name":"write_poem","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`,
			`{"choices":[],"usage":{"prompt_tokens":2000,"completion_tokens":9}}`, "[DONE]"} {
			fmt.Fprintf(w, "data: %s\n\n", data)
		}
	})
}
