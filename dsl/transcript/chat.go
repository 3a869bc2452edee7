package transcript

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// reader reads one chat.
type reader struct {
	*File
	chat  *Chat
	found syntax.Diagnostics
	calls map[string]string // the tool of each call that awaits a result, by the call's id
	order []string          // these ids, in the order of the calls
	ids   int               // how many ids were made up
}

const (
	maxMessages = 20_000 // of one chat
	maxCalls    = 64     // of one message
)

func (r *reader) errorf(v *value, help, format string, args ...any) {
	r.found = append(r.found, r.finding(syntax.Error, v.at, v.end, help, format, args...))
}

// leftOut reports a part of a chat that is not imported.
func (r *reader) leftOut(v *value, format string, args ...any) {
	r.found = append(r.found, r.finding(syntax.Warning, v.at, v.end, "", format, args...))
}

// want returns a value of the wanted kind. It reports a value of another kind and returns nil, as for an absent one.
func (r *reader) want(v *value, k kind, what string) *value {
	if v == nil || v.kind == k {
		return v
	}
	r.errorf(v, "", "%s has to be %s, and is %s", what, k, v.kind)
	return nil
}

// read reads an entry.
func (r *reader) read(e entry) {
	r.calls = map[string]string{}
	v := e.values[0]
	if payload := v.get("payload"); payload != nil {
		v = payload
	}
	if body := v.get("body"); body.get("messages") != nil { // a line of a batch file in OpenAI's format
		v = body
	}
	messages := v.get("messages", "history", "conversations", "conversation")
	switch {
	case len(e.values) > 1 || isMessage(v):
		r.messages(e.values)
	case v.is(list):
		r.messages(v.items)
	case messages != nil:
		r.object(v)
		if messages = r.want(messages, list, "the messages of a chat"); messages != nil {
			r.messages(messages.items)
		}
	case v.get("payloads") != nil:
		r.payloads(v.get("payloads"))
	case v.get("turns") != nil:
		if turns := r.want(v.get("turns"), list, "turns"); turns != nil {
			for _, turn := range turns.items {
				r.turn(turn)
			}
		}
	case e.format == Mooncake:
		r.trace(v, e)
	default:
		r.turn(v)
	}
	if r.chat.Block == nil && len(r.chat.Messages) == 0 && len(r.found) == 0 {
		r.errorf(e.values[0], "", "the chat has no message")
	}
}

// told are the keys next to the messages that have no counterpart in a request, or are read elsewhere.
var told = []string{"id", "session_id", "conversation_id", "chat_id", "custom_id", "messages", "history",
	"conversations", "conversation", "tools", "functions", "system", "created", "created_at", "timestamp", "object",
	"stream", "stream_options", "n", "type", "output_length", "message_mode", "delay"}

// object reads everything in an object except its messages.
func (r *reader) object(v *value) {
	if system := r.want(v.get("system"), text, "system"); system.str() != "" {
		r.add(system, Message{Message: wire.Message{Role: "system", Content: system.text}, When: -1})
	}
	r.tools(v)
	for _, m := range v.members {
		if m.kind == null || slices.Contains(told, m.key) {
			continue
		}
		if r.chat.Request == nil {
			r.chat.Request = map[string]json.RawMessage{}
		}
		r.chat.Request[m.key] = m.raw(r.data)
	}
}

// tools reads the tools that a request declares.
func (r *reader) tools(v *value) {
	declared := v.get("tools", "functions")
	if declared.is(text) { // ShareGPT has them as a string
		inner, err := parse([]byte(declared.text), 0, len(declared.text))
		if err != nil || !inner.is(list) {
			if strings.TrimSpace(declared.text) != "" {
				r.leftOut(declared, "the tools are a text that is no list of tools: they are left out")
			}
			return
		}
		own := &reader{File: &File{name: r.name, data: []byte(declared.text), starts: []int{0}}, chat: r.chat}
		for _, item := range inner.items {
			own.tool(item)
		}
		if len(own.found) > 0 {
			r.leftOut(declared, "of the tools: %s", own.found[0].Message)
		}
		return
	}
	if declared = r.want(declared, list, "tools"); declared == nil {
		return
	}
	for _, item := range declared.items {
		r.tool(item)
	}
}

// tool reads one declaration of a tool: OpenAI's, Anthropic's, or a function by itself.
func (r *reader) tool(v *value) {
	f := v
	if inner := v.get("function"); inner.is(object) {
		f = inner
	}
	name := f.get("name").str()
	if name == "" {
		r.leftOut(v, "a tool without a name is left out")
		return
	}
	t := wire.Tool{Name: name, Description: f.get("description").str()}
	if p := f.get("parameters", "input_schema"); p.is(object) {
		t.Parameters = p.raw(r.data)
	}
	r.chat.Tools = append(r.chat.Tools, t)
}

// messages reads a list of messages.
func (r *reader) messages(items []*value) {
	if len(items) > maxMessages {
		r.errorf(items[maxMessages], "split the chat", "the chat has %d messages, more than the %d that are read", len(items),
			maxMessages)
		return
	}
	for _, item := range items {
		r.message(item)
		if len(r.found) > mostFindings && r.found.Errors() {
			return
		}
	}
	for _, id := range r.order {
		r.leftOut(items[len(items)-1], "a call of %q has no result", r.calls[id])
	}
}

// roles maps the names of roles in files to ours; "call" is a separate message with a call.
var roles = map[string]string{
	"system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
	"gpt":     "assistant",
	"chatgpt": "assistant", "model": "assistant", "bot": "assistant", "bard": "assistant", "bing": "assistant",
	"tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "tool_response": "tool",
	"function_call": "call", "tool_call": "call",
}

// message reads one message.
func (r *reader) message(v *value) {
	if r.want(v, object, "a message") == nil {
		return
	}
	role := v.get("role", "from")
	if role == nil {
		r.errorf(v, "", "a message without a role")
		return
	}
	if role = r.want(role, text, "the role of a message"); role == nil {
		return
	}
	who := roles[strings.ToLower(role.text)]
	if who == "" {
		r.errorf(role, "the roles are system, user, assistant and tool", "%q is no role of a message", short(role.text))
		return
	}
	if who != "tool" {
		r.unanswered(v)
	}
	m := Message{Message: wire.Message{Role: who}, When: when(v)}
	m.Content = r.content(v.get("content", "value"), &m)
	switch who {
	case "assistant":
		r.assistant(v, &m)
	case "call": // ShareGPT: a call is a separate message
		m.Role, m.Content = "assistant", ""
		r.callText(v.get("value", "content"), &m)
	case "tool":
		if !r.result(v, &m) {
			return
		}
	}
	for _, c := range m.ToolCalls {
		r.calls[c.ID] = c.Function.Name
		r.order = append(r.order, c.ID)
	}
	if m.Content == "" && len(m.Images) == 0 && len(m.ToolCalls) == 0 && m.ReasoningContent == "" && m.Role != "tool" {
		r.leftOut(v, "a message of the %s that says nothing is left out", m.Role)
		return
	}
	r.add(v, m)
}

// short returns the beginning of a text, for error messages.
func short(s string) string {
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}

// add appends a message.
func (r *reader) add(v *value, m Message) {
	m.Pos = r.pos(v.at)
	r.chat.Messages = append(r.chat.Messages, m)
}

// unanswered reports calls that are not followed by their results.
func (r *reader) unanswered(v *value) {
	for _, id := range r.order {
		r.leftOut(v, "a call of %q has no result before this message", r.calls[id])
	}
	r.order = nil
	clear(r.calls)
}

// content returns the text of a message, which may be a list of parts. It adds a user's images to the message.
func (r *reader) content(v *value, m *Message) string {
	switch {
	case v == nil:
		return ""
	case v.is(text):
		return v.text
	case !v.is(list):
		r.errorf(v, "", "the content of a message has to be text or a list of parts, and is %s", v.kind)
		return ""
	}
	var texts []string
	for _, part := range v.items {
		switch sort := part.get("type").str(); {
		case part.is(text):
			texts = append(texts, part.text)
		case part.get("text").is(text):
			texts = append(texts, part.get("text").text)
		case part.get("refusal").is(text):
			texts = append(texts, part.get("refusal").text)
		case sort == "image_url" || sort == "input_image":
			r.image(part, m)
		default:
			r.leftOut(part, "a part of the type %q is left out: only texts are taken over", short(sort))
		}
	}
	return strings.Join(texts, "\n")
}

// image reads an image that is embedded in the message.
func (r *reader) image(part *value, m *Message) {
	url := part.get("image_url")
	if inner := url.get("url"); inner != nil {
		url = inner
	}
	media, data, _ := strings.Cut(url.str(), ";base64,")
	image := wire.Image{Media: strings.TrimPrefix(media, "data:")}
	var err error
	image.Data, err = base64.StdEncoding.DecodeString(data)
	switch {
	case m.Role != "user":
		r.leftOut(part, "an image of the %s is left out: only users show images", m.Role)
	case !strings.HasPrefix(media, "data:"):
		r.leftOut(part, "an image that is an address is left out: it would have to be fetched")
	case image.Media != "image/png" && image.Media != "image/jpeg" || err != nil || len(image.Data) == 0:
		r.leftOut(part, "an image that is not a PNG or JPEG in base64 is left out")
	default:
		m.Images = append(m.Images, image)
	}
}

// assistant reads the fields that only an assistant's message has.
func (r *reader) assistant(v *value, m *Message) {
	m.ReasoningContent = v.get("reasoning_content", "reasoning", "thinking").str()
	if refusal := v.get("refusal"); refusal.str() != "" && m.Content == "" {
		m.Content = refusal.text
	}
	calls := r.want(v.get("tool_calls"), list, "tool_calls")
	if calls != nil && len(calls.items) > maxCalls {
		r.errorf(calls, "", "a message with %d calls, more than the %d that are read", len(calls.items), maxCalls)
		return
	}
	if calls != nil {
		for _, c := range calls.items {
			r.call(c, c.get("function"), m)
		}
	}
	if c := v.get("function_call"); c != nil {
		r.call(c, c, m)
	}
	for _, key := range []string{"audio", "annotations"} {
		if x := v.get(key); x != nil && (!x.is(list) || len(x.items) > 0) {
			r.leftOut(x, "%s of a reply is left out", key)
		}
	}
}

// call reads one call.
func (r *reader) call(v, f *value, m *Message) {
	name := f.get("name").str()
	if name == "" {
		r.errorf(v, "", "a call without the name of a tool")
		return
	}
	m.ToolCalls = append(m.ToolCalls, wire.Call(r.callID(v), name, r.arguments(f.get("arguments", "parameters"))))
}

// callID returns the id of a call, or a made-up one if the call has none or its id is taken.
func (r *reader) callID(v *value) string {
	id := v.get("id").name()
	if _, taken := r.calls[id]; id != "" && !taken {
		return id
	}
	r.ids++
	return fmt.Sprintf("give%05d", r.ids) // some templates require nine letters and digits
}

// arguments returns the arguments of a call as a model writes them.
func (r *reader) arguments(v *value) string {
	switch {
	case v == nil:
		return "{}"
	case v.is(text):
		return v.text
	}
	return string(v.raw(r.data))
}

// callText reads calls from the text of a message: an object with a name and arguments, or a list of such objects.
func (r *reader) callText(v *value, m *Message) {
	v = r.want(v, text, "a call of ShareGPT")
	if v == nil {
		return
	}
	inner, err := parse([]byte(v.text), 0, len(v.text))
	if err != nil {
		r.errorf(v, "a call is an object with name and arguments", "the text of this call is no JSON")
		return
	}
	own := &reader{File: &File{name: r.name, data: []byte(v.text), starts: []int{0}}, chat: &Chat{}, calls: r.calls,
		ids: r.ids}
	calls := []*value{inner}
	if inner.is(list) {
		calls = inner.items
	}
	for _, c := range calls[:min(len(calls), maxCalls)] {
		own.call(c, c, m)
	}
	r.ids = own.ids
	if len(own.found) > 0 || len(calls) == 0 || len(calls) > maxCalls {
		r.errorf(v, "a call is an object with name and arguments", "the text of this message is not a tool call")
	}
}

// result reads the result of a call, and reports whether a call was waiting for it.
func (r *reader) result(v *value, m *Message) bool {
	id := v.get("tool_call_id").name()
	if id == "" && len(r.order) > 0 { // the first waiting call, of the named tool if there is a name
		id = r.order[0]
		if name := v.get("name").str(); name != "" {
			if i := slices.IndexFunc(r.order, func(id string) bool { return r.calls[id] == name }); i >= 0 {
				id = r.order[i]
			}
		}
	}
	at := slices.Index(r.order, id)
	if at < 0 {
		r.errorf(v, "remove it, or add the message that calls the tool", "no call before this result is waiting for it")
		return false
	}
	m.ToolCallID, m.Name = id, r.calls[id]
	r.order = slices.Delete(r.order, at, at+1)
	delete(r.calls, id)
	return true
}
