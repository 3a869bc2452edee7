package observe

import (
	"strings"

	"homellm/engine/engines"
	"homellm/engine/event"
)

// markers are what chat templates put around messages. A server takes those of its model's own template out of a
// reply; what stands in the text was written by a model that does not know the template it is asked with.
var markers = []string{
	"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|end|>",
	"<|user|>", "<|assistant|>", "<|system|>", "<start_of_turn>", "<end_of_turn>", "<|turn>", "<turn|>", "[INST]",
	"[/INST]", "<<SYS>>", "<｜User｜>", "<｜Assistant｜>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>",
}

// Leak is the first marker of a chat template in a reply, unless the prompt has it as well; empty if there is none.
func Leak(reply, prompt string) string {
	first, at := "", len(reply)
	for _, m := range markers {
		if i := strings.Index(reply, m); i >= 0 && i < at && !strings.Contains(prompt, m) {
			first, at = m, i
		}
	}
	return first
}

// LeakHint is what to do about a leak.
func LeakHint(engine string) string {
	if hint := engines.Of(engine).Hints.Template; hint != "" {
		return hint
	}
	return "serve a model that was trained for chat, with its own chat template"
}

// checkText remarks on a reply whose text is not what it seems. Plain is the prompt without its template.
func (s *signs) checkText(r *event.Request, plain, engine string, notes notes) {
	if r.Err != nil {
		return
	}
	if m := Leak(r.Text+r.Reasoning, plain); m != "" {
		notes.once("template_leak", "%s: the reply holds %s, which is a marker of a chat template and no text: the model is "+
			"asked with a template that is not its own, and goes on with turns of its own: %s", turnOf(r), m, LeakHint(engine))
	}
	if !r.Prefill && r.Wire.ReasoningKey != "" && r.Finish == "stop" && r.Tools == "" &&
		strings.TrimSpace(r.Text) == "" && strings.TrimSpace(r.Reasoning) != "" {
		notes.once("answer_in_reasoning", "%s: the reply ended by itself, and all of it is in %s: a reasoning parser in "+
			"front of a model that does not think puts the answer there; what rests on its text is unknown; start the server "+
			"without that parser", turnOf(r), r.Wire.ReasoningKey)
	}
}
