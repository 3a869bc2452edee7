package sim

import "strings"

// Message is one message of a conversation, as the simulator understood it.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// render writes a conversation as ChatML. What a conversation renders to begins with what its
// first messages render to, so that every turn extends the one before it token for token. open tells
// how it ends: with the header of a reply, inside the last message (to be continued), or neither.
func render(messages []Message, open ending) string {
	var b strings.Builder
	for i, m := range messages {
		b.WriteString("<|im_start|>" + m.Role + "\n" + m.Content)
		if i == len(messages)-1 && open == insideLast {
			return b.String()
		}
		b.WriteString("<|im_end|>\n")
	}
	if open == withHeader {
		b.WriteString("<|im_start|>assistant\n")
	}
	return b.String()
}

// ending says how a rendered conversation ends.
type ending int

const (
	withHeader ending = iota // a reply follows: add_generation_prompt
	insideLast               // the last message continues: continue_final_message
	closed                   // nothing follows
)

// markers are the texts by which the common chat templates begin and end a message. A longer text is listed before a
// shorter one that it begins with.
var markers = []struct{ text, role string }{
	{"<|im_start|>system", "system"}, {"<|im_start|>user", "user"}, {"<|im_start|>assistant", "assistant"},
	{"<|system|>", "system"}, {"<|user|>", "user"}, {"<|assistant|>", "assistant"},
	{"<|start_header_id|>system<|end_header_id|>", "system"}, {"<|start_header_id|>user<|end_header_id|>", "user"},
	{"<|start_header_id|>assistant<|end_header_id|>", "assistant"},
	{"<start_of_turn>user", "user"}, {"<start_of_turn>model", "assistant"},
	{"[INST]", "user"}, {"[/INST]", "assistant"},
	{"<｜User｜>", "user"}, {"<｜Assistant｜>", "assistant"}, {"<｜begin▁of▁sentence｜>", "system"},
	{"<|im_end|>", ""}, {"<|end|>", ""}, {"<|eot_id|>", ""}, {"<end_of_turn>", ""}, {"</s>", ""},
	{"<｜end▁of▁sentence｜>", ""},
}

// split divides a prompt that the client has rendered into messages again. In a prompt without markers the last
// sentence is the user's and the rest is the system's.
func split(prompt string) []Message {
	var out []Message
	role, from, marked := "", 0, false
	flush := func(to int) {
		if text := strings.TrimSpace(prompt[from:to]); text != "" && role != "" {
			out = append(out, Message{role, text})
		}
	}
	for i := 0; i < len(prompt); {
		if prompt[i] != '<' && prompt[i] != '[' {
			i++
			continue
		}
		n := 1
		for _, m := range markers {
			if strings.HasPrefix(prompt[i:], m.text) {
				flush(i)
				n, marked = len(m.text), true
				role, from = m.role, i+n
				break
			}
		}
		i += n
	}
	if !marked {
		return splitPlain(prompt)
	}
	flush(len(prompt))
	return out
}

func splitPlain(prompt string) []Message {
	last := ""
	for s := range sentences(prompt) {
		last = s
	}
	before := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(prompt), last))
	if before == "" {
		return []Message{{"user", prompt}}
	}
	return []Message{{"system", before}, {"user", last}}
}
