package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"homellm/engine/sim"
)

// broken is a server with one thing wrong. Its numbers are those of the simulator, unless they are what is wrong.
type broken struct {
	name, does string

	config sim.Config
	says   func(*memory, []sim.Message, speaker) string // what it answers; nil: as the simulator does
	front  func(*memory, http.Handler) http.Handler     // wraps the server; nil: nothing does
}

// speaker is the simulator's own way to answer.
type speaker = func([]sim.Message) string

// memory is what a broken server knows beside the conversation.
type memory struct {
	keywords []string // all that the scenario's assertions look for

	mu        sync.Mutex
	documents []string // every one it was ever sent
	most      int      // documents that one prompt of the present conversation had
	messages  int      // of the latest prompt
	requests  int
}

const (
	blockOpen  = "[RETRIEVED INFORMATION"
	blockClose = "[END RETRIEVED INFORMATION]"
)

var (
	modelName = regexp.MustCompile(`"model":"[^"]*"`)
	counted   = regexp.MustCompile(`"prompt_tokens":(\d+)`)
	details   = regexp.MustCompile(`,"prompt_tokens_details":\{[^}]*\}`)
)

var block = regexp.MustCompile(`(?s)\[RETRIEVED INFORMATION[^\]]*\]\n(.*?)\n\[END RETRIEVED INFORMATION\]`)

// brokenServers is the table. docs/scenarios.md shows it with the scenarios that fail on each.
var brokenServers = []broken{
	{name: "silent", does: "answers nothing",
		says: func(*memory, []sim.Message, speaker) string { return "" }},
	{name: "one-sentence", does: `answers "I do not know." to everything`,
		says: func(*memory, []sim.Message, speaker) string { return "I do not know." }},
	{name: "loop", does: `answers "the the the …"`,
		says: func(*memory, []sim.Message, speaker) string { return strings.Repeat("the ", 200) }},
	{name: "parrot", does: "recites every text that the scenario's assertions look for",
		says: func(m *memory, _ []sim.Message, _ speaker) string { return strings.Join(m.keywords, ", ") + "." }},
	{name: "previous-answer", does: "says again what it answered before",
		says: func(_ *memory, chat []sim.Message, own speaker) string {
			for _, m := range slices.Backward(chat) {
				if m.Role == "assistant" {
					return m.Content
				}
			}
			return own(chat)
		}},
	{name: "echo", does: "repeats the question",
		says: func(_ *memory, chat []sim.Message, _ speaker) string {
			return block.ReplaceAllString(chat[len(chat)-1].Content, "")
		}},
	{name: "reciter", does: "recites the documents in its context from the start, or else the first message",
		says: func(_ *memory, chat []sim.Message, _ speaker) string {
			if found := documentsOf(chat); len(found) > 0 {
				return strings.Join(found, "\n")
			}
			return chat[0].Content
		}},
	{name: "remembers", does: "still knows documents that were removed, and those of other conversations",
		says: func(m *memory, chat []sim.Message, own speaker) string {
			return own(append(m.recalled(chat), chat...))
		}},
	{name: "forgets", does: "does not see the documents that are in its context",
		says: func(_ *memory, chat []sim.Message, own speaker) string {
			return own(changed(chat, func(m sim.Message) sim.Message {
				m.Content = block.ReplaceAllString(m.Content, "")
				return m
			}))
		}},
	{name: "swaps", does: "reads another document in the place of each",
		says: func(m *memory, chat []sim.Message, own speaker) string { return own(m.swapped(chat)) }},
	{name: "no-system", does: "ignores the system message",
		says: func(_ *memory, chat []sim.Message, own speaker) string {
			return own(slices.DeleteFunc(slices.Clone(chat), func(m sim.Message) bool { return m.Role == "system" }))
		}},
	{name: "last-message", does: "reads the last message only",
		says: func(_ *memory, chat []sim.Message, own speaker) string { return own(chat[len(chat)-1:]) }},
	{name: "no-head", does: "reads the second half of a long context, and counts all of it",
		says: func(_ *memory, chat []sim.Message, own speaker) string { return own(secondHalf(chat)) }},
	{name: "leaks-template", does: "ends its answers with marks of its template",
		says: func(_ *memory, chat []sim.Message, own speaker) string {
			return own(chat) + "<|im_end|>\n<|im_start|>user"
		}},
	{name: "ascii-only", does: "turns every character beyond ASCII into a question mark",
		says: func(_ *memory, chat []sim.Message, own speaker) string {
			return strings.Map(func(r rune) rune {
				if r > 126 {
					return '?'
				}
				return r
			}, own(chat))
		}},
	{name: "cuts-short", does: "ends every answer after three tokens (finish reason length)",
		front: edits(func(body map[string]any) { body["max_tokens"] = 3 })},
	{name: "stops-short", does: "ends every answer after 16 characters and says that it had ended (finish reason stop)",
		says: func(_ *memory, chat []sim.Message, own speaker) string {
			said := own(chat)
			return strings.ToValidUTF8(said[:min(16, len(said))], "")
		}},
	{name: "only-reasons", does: "spends every answer's tokens on reasoning",
		config: sim.Config{Wire: sim.Wire{ReasoningTokens: 600}}},
	{name: "truncates", does: "drops the head of a prompt of more than 300 tokens, and counts what is left",
		config: sim.Config{Faults: []sim.Fault{{Kind: "truncate", Count: 300}}}},
	{name: "unfinished", does: "breaks off every fourth answer and says nothing",
		config: sim.Config{Faults: []sim.Fault{{Kind: "eof", Token: 2, Every: 4}}}},
	{name: "fails-often", does: "fails every fifth request",
		config: sim.Config{Faults: []sim.Fault{{Kind: "status", Status: 500, Every: 5}}}},
	{name: "no-cache", does: "computes every prompt anew, and says so",
		config: sim.Config{NoPrefixCache: true}},
	{name: "cache-claimed", does: "claims to have found all of every prompt",
		config: sim.Config{NoPrefixCache: true, Faults: []sim.Fault{{Kind: "cached", Count: 1}, {Kind: "no_metrics"}}},
		front:  counts(`"cached_tokens":(\d+)`, func(prompt, _ int) int { return prompt - 1 })},
	{name: "cache-doubled", does: "claims to have found twice what it has found",
		front: counts(`"cached_tokens":(\d+)`, func(prompt, n int) int { return min(2*n, prompt-1) })},
	{name: "cache-dreamt", does: "claims to have found all of a prompt once a chat has four messages",
		front: func(_ *memory, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isChat(r) && len(messagesOf(r)) > 3 {
					w = &rewritten{w, func(data []byte) []byte {
						data = details.ReplaceAll(data, nil)
						return counted.ReplaceAll(data, []byte(`"prompt_tokens":$1,"prompt_tokens_details":{"cached_tokens":$1}`))
					}}
				}
				next.ServeHTTP(w, r)
			})
		}},
	{name: "cache-mixed-up", does: "tells the cached tokens of another conversation's latest turn",
		front: reports(`"cached_tokens":(\d+)`, func(of map[string]int, conversation string) (int, bool) {
			for other, n := range of {
				if other != conversation && other != "" {
					return n, true
				}
			}
			return 0, false
		})},
	{name: "usage-late", does: "counts the prompt tokens of the turn before",
		front: reports(`"prompt_tokens":(\d+)`, func(of map[string]int, _ string) (int, bool) {
			n, ok := of[""]
			return n, ok
		})},
	{name: "cache-lost", does: "loses its cache when a document is removed",
		front: onRemoval(func(next http.Handler, _ http.ResponseWriter, first bool) {
			if first {
				emptyCache(next)
			}
		})},
	{name: "embeds-noise", does: "makes vectors that have nothing to do with the texts",
		front: func(_ *memory, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/embeddings" {
					scramble(r)
				}
				next.ServeHTTP(w, r)
			})
		}},
	{name: "searches-slowly", does: "takes three seconds for a vector",
		config: sim.Config{Faults: []sim.Fault{{Kind: "delay", Delay: sim.Duration(3 * time.Second),
			Path: "/v1/embeddings"}}}},
	{name: "cache-flaky", does: "loses its cache before every third request",
		front: func(m *memory, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isChat(r) && m.count()%3 == 1 {
					emptyCache(next)
				}
				next.ServeHTTP(w, r)
			})
		}},
	{name: "unloads", does: "unloads its model, and with it its cache, after three seconds without a request",
		config: sim.Config{KeepAlive: 3 * time.Second, LoadTime: 5 * time.Second}},
	{name: "thinks-anyway", does: "thinks, whatever it is told of that",
		config: sim.Config{Wire: sim.Wire{ReasoningTokens: 60}},
		front:  edits(func(body map[string]any) { delete(body, "chat_template_kwargs") })},
	{name: "ignores-schema", does: "answers in prose where JSON of a schema is asked for",
		front: edits(func(body map[string]any) { delete(body, "response_format") })},
	{name: "makes-it-up", does: "answers in JSON of the schema, and makes up what it says",
		front: edits(withoutDocuments)},
	{name: "calls-nothing-there", does: "calls a tool that there is not", front: callsNothingThere},
	{name: "slow-after-removal", does: "takes twice as long to the first token after a removal",
		front: onRemoval(func(_ http.Handler, w http.ResponseWriter, _ bool) { w.(*paced).twice = true })},
	{name: "keeps-waiting", does: "waits for half a minute before the first word",
		config: sim.Config{Faults: []sim.Fault{{Kind: "delay", Delay: sim.Duration(30 * time.Second)}}}},
	{name: "slows-with-length", does: "decodes at half speed once the prompt is longer than 4,000 characters",
		front: func(_ *memory, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				p := &paced{ResponseWriter: w, began: time.Now()}
				if isChat(r) && length(messagesOf(r)) > 4000 {
					p.gap = 19 * time.Millisecond
				}
				next.ServeHTTP(p, r)
			})
		}},
	{name: "all-at-once", does: "sends the whole answer at its end",
		front: func(_ *memory, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !isChat(r) {
					next.ServeHTTP(w, r)
					return
				}
				held := &withheld{ResponseWriter: w}
				next.ServeHTTP(held, r)
				_, _ = w.Write(held.body.Bytes()) // the client has gone: nothing is left to tell it
			})
		}},
	{name: "wrong-output-count", does: "counts 1,000 output tokens, whatever it wrote",
		config: sim.Config{Faults: []sim.Fault{{Kind: "usage", Count: 1000}}}},
	{name: "wrong-prompt-count", does: "counts a third of the prompt's tokens",
		front: counts(`"prompt_tokens":(\d+)`, func(_, n int) int { return n / 3 })},
	{name: "other-model", does: "answers in the name of another model once a chat has four messages",
		front: func(_ *memory, next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isChat(r) && len(messagesOf(r)) > 3 {
					w = &rewritten{w, func(data []byte) []byte {
						return modelName.ReplaceAll(data, []byte(`"model":"another-model"`))
					}}
				}
				next.ServeHTTP(w, r)
			})
		}},
}

// wire builds a server that is broken in this way, for a scenario whose assertions look for the keywords.
func (b broken) wire(g *rig, keywords []string) sim.Config {
	m := &memory{keywords: keywords}
	config := b.config
	if b.says != nil {
		config.Answer = func(chat []sim.Message, own func([]sim.Message) string) string { return b.says(m, chat, own) }
	}
	if b.front != nil {
		g.front = func(next http.Handler) http.Handler { return b.front(m, next) }
	}
	return config
}

// recalled returns the documents that were ever sent, as messages, and keeps those of this chat.
func (m *memory) recalled(chat []sim.Message) (out []sim.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range documentsOf(chat) {
		if !slices.Contains(m.documents, d) {
			m.documents = append(m.documents, d)
		}
	}
	for _, d := range m.documents {
		out = append(out, sim.Message{Role: "user", Content: blockOpen + "]\n" + d + "\n" + blockClose})
	}
	return out
}

// swapped puts in the place of each document the one that was first sent before it.
func (m *memory) swapped(chat []sim.Message) []sim.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range documentsOf(chat) {
		if !slices.Contains(m.documents, d) {
			m.documents = append(m.documents, d)
		}
	}
	return changed(chat, func(msg sim.Message) sim.Message {
		msg.Content = block.ReplaceAllStringFunc(msg.Content, func(whole string) string {
			own := block.FindStringSubmatch(whole)[1]
			n := len(m.documents)
			return strings.Replace(whole, own, m.documents[(slices.Index(m.documents, own)+n-1)%n], 1)
		})
		return msg
	})
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	return m.requests
}

// removed tells whether a prompt has fewer documents than an earlier one of its conversation, and whether
// it is the first such prompt.
func (m *memory) removed(chat []sim.Message) (yes, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(chat) <= m.messages {
		m.most, m.documents = 0, nil // another conversation
	}
	m.messages = len(chat)
	now := documentsOf(chat)
	first = len(now) < len(m.documents)
	m.documents, m.most = now, max(m.most, len(now))
	return len(now) < m.most, first
}

func documentsOf(chat []sim.Message) (out []string) {
	for _, m := range chat {
		for _, found := range block.FindAllStringSubmatch(m.Content, -1) {
			out = append(out, found[1])
		}
	}
	return out
}

func changed(chat []sim.Message, change func(sim.Message) sim.Message) []sim.Message {
	out := slices.Clone(chat)
	for i, m := range out {
		out[i] = change(m)
	}
	return out
}

func length(chat []sim.Message) (n int) {
	for _, m := range chat {
		n += len(m.Content)
	}
	return n
}

// secondHalf drops messages from the front until at most half of the characters are left.
func secondHalf(chat []sim.Message) []sim.Message {
	for half := length(chat) / 2; len(chat) > 1 && length(chat) > max(half, 500); {
		chat = chat[1:]
	}
	return chat
}

func isChat(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/chat/completions") }

// messagesOf reads the messages of a request and leaves its body as it was.
func messagesOf(r *http.Request) []sim.Message {
	var q struct {
		Messages []sim.Message `json:"messages"`
	}
	if json.Unmarshal(bodyOf(r), &q) != nil {
		return nil
	}
	return q.Messages
}

// scramble replaces each text of a request for vectors by six words of fifty, drawn by the text.
func scramble(r *http.Request) {
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body) // the simulator refuses what is left
	texts, _ := body["input"].([]any)
	for i, text := range texts {
		h := fnv.New64a()
		_, _ = fmt.Fprint(h, text) // a hash takes every byte
		draw := rand.New(rand.NewPCG(h.Sum64(), 1))
		var words []string
		for range 6 {
			words = append(words, fmt.Sprintf("noise%d", draw.IntN(50)))
		}
		texts[i] = strings.Join(words, " ")
	}
	raw, _ := json.Marshal(body) // it was JSON
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
}
