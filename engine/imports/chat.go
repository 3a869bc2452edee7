package imports

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"homellm/dsl/transcript"
	"homellm/engine/text"
	"homellm/engine/wire"
)

// conversation is made from one chat.
type conversation struct {
	id, title, system string
	given             string // file
	line              int    // of that file; 0: the file has one chat
	tools             []*tool
	live              bool
	steps             []step
}

// step is a question with the replies to it.
type step struct {
	id      string
	ask     string
	images  []string // files
	goesOn  bool     // there was an earlier question
	wait    time.Duration
	replies []reply
	most    int // limit on requests; 0: homellm's default
	tokens  int // limit on the tokens of a reply; 0: unknown
}

// reply is a recorded reply.
type reply struct {
	text  string
	calls []wire.ToolCall
}

// exchange is a question with the messages that followed it, up to the next.
type exchange struct {
	from, to int // indexes in the messages of the chat
	ask      string
	images   []wire.Image
	replies  []reply
	thoughts int
	waiting  []string // ids of calls without a result so far
	stays    string   // why no step can play it; empty: a step can
	tokens   int
}

// chat makes a conversation from a chat; false if the chat has no user message.
func (b *builder) chat(chat *transcript.Chat, n int) (conversation, bool) {
	c := conversation{id: b.id(chat.ID, fmt.Sprintf("chat%d", n+1))}
	if chat.ID != "" && chat.ID != c.id {
		c.title = short(chat.ID)
	}
	messages := chat.Messages
	if len(messages) > 0 && messages[0].Role == "system" {
		c.system, messages = messages[0].Content, messages[1:]
	}
	all := b.exchanges(messages)
	if len(all) == 0 {
		b.note("a chat without a user message is left out")
		return conversation{}, false
	}
	first := max(len(all)-b.last, 0)
	for i, x := range all[:len(all)-1] {
		if x.stays != "" {
			first = max(first, i+1)
		}
	}
	c.live = true
	for _, x := range all {
		c.live = c.live && len(x.replies) == 0
	}
	if start := all[first].from; start > 0 {
		b.giveBefore(&c, messages[:start], first)
	}
	for i, x := range all[first:] {
		c.steps = append(c.steps, b.step(&c, x, messages, first+i))
	}
	c.tools = b.tools(chat, messages[:all[first].from], messages[all[first].from:])
	return c, true
}

// exchanges divides messages by their questions. Messages before the first question are in no exchange.
func (b *builder) exchanges(messages []transcript.Message) []exchange {
	var out []exchange
	var alike map[string]int
	for i, m := range messages {
		n := len(out) - 1
		switch {
		case m.Role == "user" && n >= 0 && len(out[n].replies) == 0:
			if anyReply(messages) {
				out[n].ask += "\n\n" + m.Content
				out[n].images = append(out[n].images, m.Images...)
				out[n].to = i + 1
				b.note("user messages that follow each other are one question")
				continue
			}
			fallthrough
		case m.Role == "user":
			out = append(out, exchange{from: i, ask: m.Content, images: m.Images, tokens: m.Most})
			n, alike = n+1, map[string]int{}
		case n < 0: // a greeting, which is in context from the beginning
			continue
		case m.Role == "system":
			out[n].stays = "a system message in the middle"
		case m.Role == "assistant":
			out[n].add(b, m)
		case m.Role == "tool":
			out[n].answer(b, m.ToolCallID)
			key := m.Name + "\x00" + callOf(out[n].replies, m.ToolCallID) + "\x00" + m.Content
			if alike[key]++; alike[key] == 3 {
				out[n].stays = "the same call with the same result for the third time, after which a step ends"
			}
		}
		out[n].to = i + 1
		if len(out[n].replies) > maxRounds {
			out[n].stays = fmt.Sprintf("more than %d replies to one question", maxRounds)
		}
	}
	return out
}

// anyReply reports whether the messages contain a reply.
func anyReply(messages []transcript.Message) bool {
	for _, m := range messages {
		if m.Role == "assistant" {
			return true
		}
	}
	return false
}

// callOf returns the arguments of a call in canonical form.
func callOf(replies []reply, id string) string {
	for _, r := range replies {
		for _, c := range r.calls {
			if c.ID == id {
				return canonical(c.Function.Arguments)
			}
		}
	}
	return ""
}

// canonical returns JSON with sorted keys and without white space. Text that is not JSON is returned unchanged.
func canonical(arguments string) string {
	var v any
	if json.Unmarshal([]byte(arguments), &v) != nil {
		return arguments
	}
	out, err := json.Marshal(v)
	if err != nil {
		return arguments
	}
	return string(out)
}

// add adds a message of the assistant. If it directly follows another reply, it is appended to that one, because a
// reply without calls ends its question.
func (x *exchange) add(b *builder, m transcript.Message) {
	if m.ReasoningContent != "" {
		x.thoughts++
	}
	r := reply{m.Content, m.ToolCalls}
	x.waiting = nil
	for _, c := range r.calls {
		x.waiting = append(x.waiting, c.ID)
	}
	if n := len(x.replies) - 1; n >= 0 && len(x.replies[n].calls) == 0 {
		b.note("messages of the assistant that follow each other are one reply")
		own := &x.replies[n]
		own.text, own.calls = strings.Trim(own.text+"\n\n"+r.text, "\n"), r.calls
		return
	}
	x.replies = append(x.replies, r)
}

// answer notes the result of a call.
func (x *exchange) answer(b *builder, id string) {
	if len(x.waiting) > 0 && x.waiting[0] != id {
		b.note("results of calls come in the order of the calls")
	}
	x.waiting = slices.DeleteFunc(x.waiting, func(other string) bool { return other == id })
}

// giveBefore writes the messages before the first step to a file beside the scenario.
func (b *builder) giveBefore(c *conversation, messages []transcript.Message, questions int) {
	var out []any
	if c.system != "" {
		out = append(out, wire.Message{Role: "system", Content: c.system})
		c.system = ""
	}
	for _, m := range messages {
		out = append(out, shown(m.Message))
	}
	data, err := json.MarshalIndent(map[string]any{"messages": out}, "", " ")
	if err != nil {
		b.note("the beginning of chat %s is left out: %v", c.id, err)
		return
	}
	c.given = b.beside("chats", "chat-"+c.id+".json", append(data, '\n'))
	b.note("%s: the first %s (%s) are in context from the beginning, and no step asks them", c.id,
		text.Plural(len(messages), "message"), text.Plural(questions, "question"))
}

// step makes a step from an exchange.
func (b *builder) step(c *conversation, x exchange, messages []transcript.Message, n int) step {
	s := step{ask: x.ask, goesOn: n > 0, replies: x.replies, tokens: x.tokens}
	prefix := "q"
	if b.several {
		prefix = c.id + "_q"
	}
	s.id = fmt.Sprintf("%s%d", prefix, n+1)
	s.wait = b.wait(messages, x.from)
	if len(x.images) > 0 && s.ask == "" {
		b.note("a question that is only an image gets a full stop as its text")
		s.ask = "."
	}
	if more := len(x.images) - mostImages; more > 0 {
		b.note("left out: %s of one question", text.Plural(more, "more image"))
		x.images = x.images[:mostImages]
	}
	for _, shown := range x.images {
		s.images = append(s.images, b.imageFile(shown))
	}
	if x.thoughts > 0 {
		b.note("what the assistant thought before replies of steps is left out: only replies are recorded")
	}
	if x.stays != "" { // only the last exchange may have a reason and is played anyway
		b.note("%s: %s: what follows is left out", s.id, x.stays)
		s.replies = cut(s.replies, messages[x.from:x.to])
	}
	if !c.live && len(s.replies) == 0 {
		b.note("%s has no reply: a placeholder takes its place, which no request sends", s.id)
		s.replies = []reply{{text: "(no reply was recorded)"}}
	}
	if k := len(s.replies); k > 0 && (len(s.replies[k-1].calls) > 0 || k > 8) {
		s.most = k
	}
	return s
}

// cut returns the replies up to the one after which a step would end.
func cut(replies []reply, messages []transcript.Message) []reply {
	alike := map[string]int{}
	results := map[string]string{}
	for _, m := range messages {
		if m.Role == "tool" {
			results[m.ToolCallID] = m.Content
		}
	}
	for i, r := range replies[:min(len(replies), maxRounds)] {
		for _, c := range r.calls {
			key := c.Function.Name + "\x00" + canonical(c.Function.Arguments) + "\x00" + results[c.ID]
			if alike[key]++; alike[key] == 3 {
				return replies[:i+1]
			}
		}
	}
	return replies[:min(len(replies), maxRounds)]
}

// mostImages is the most images that a question may show.
const mostImages = 16

// longestWait is the longest time that a step may wait.
const longestWait = 24 * time.Hour

// wait returns the time between a question and the message before it.
func (b *builder) wait(messages []transcript.Message, i int) time.Duration {
	if i == 0 || messages[i].When < 0 || messages[i-1].When < 0 {
		return 0
	}
	return b.between(messages[i-1].When, messages[i].When)
}

// between returns how long a step waits for the time from one instant to another; both are in seconds.
func (b *builder) between(from, to float64) time.Duration {
	seconds := to - from
	if seconds <= 0 {
		return 0
	}
	if !b.Waits {
		b.note("times are left out: --waits waits as long as the chat did")
		return 0
	}
	if seconds > longestWait.Seconds() {
		b.note("a wait of more than 24h becomes one of 24h")
		return longestWait
	}
	return time.Duration(seconds*1000) * time.Millisecond
}
