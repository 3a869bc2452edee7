package client

import (
	"strings"
	"testing"

	"homellm/engine/event"
)

// delta is an event with one text of the answer.
func delta(text string) string { return `{"choices":[{"index":0,"delta":{"content":"` + text + `"}}]}` }

// finish is the event that ends a reply.
const finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`

// TestTextOnce reads a text that came in more than one place once.
func TestTextOnce(t *testing.T) {
	whole := `"message":{"role":"assistant","content":"One two three."}`
	for _, tt := range []struct {
		name   string
		events []string
		chunks int // with text
	}{
		{"message with everything in the last event", []string{delta("One"), delta(" two"), delta(" three."),
			`{"choices":[{"index":0,"delta":{},` + whole + `,"finish_reason":"stop"}]}`}, 3},
		{"message alone in the last event", []string{delta("One"), delta(" two"), delta(" three."),
			`{"choices":[{"index":0,` + whole + `,"finish_reason":"stop"}]}`}, 3},
		{"message beside delta in each", []string{
			`{"choices":[{"delta":{"content":"One"},"message":{"content":"One"}}]}`,
			`{"choices":[{"message":{"content":"One two"},"delta":{"content":" two"}}]}`,
			`{"choices":[{"message":{"content":"One two three."},"delta":{"content":" three."}}]}`, finish}, 3},
		{"message in the place of delta", []string{
			`{"choices":[{"message":{"content":"One"}}]}`, `{"choices":[{"message":{"content":" two three."}}]}`, finish}, 2},
		{"text beside delta", []string{
			`{"choices":[{"text":"One two","delta":{"content":"One two"}}]}`,
			`{"choices":[{"delta":{"content":" three."},"text":" three."}]}`, finish}, 2},
		{"deltas that repeat all so far", []string{delta("One"), delta("One two"), delta("One two"), delta("One two three."),
			finish}, 3},
		{"messages that repeat all so far", []string{
			`{"choices":[{"message":{"content":"One"}}]}`, `{"choices":[{"message":{"content":"One two"}}]}`,
			`{"choices":[{"message":{"content":"One two three."}}]}`, finish}, 3},
		{"a last delta that repeats everything", []string{delta("One"), delta(" two"), delta(" three."),
			delta("One two three."), finish}, 3},
		{"several choices in an event", []string{
			`{"choices":[{"index":0,"delta":{"content":"One two"}},{"index":1,"delta":{"content":"Uno"}}]}`,
			`{"choices":[{"index":1,"delta":{"content":" dos"}},{"delta":{"content":" three."},"index":0}]}`, finish}, 2},
		{"several choices in turn", []string{
			delta("One two"), `{"choices":[{"index":1,"delta":{"content":"Uno"}}]}`, delta(" three."),
			`{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}`, finish,
			`{"choices":[{"index":1,"delta":{"content":"!"},"finish_reason":"length"}]}`}, 2},
		{"parts", []string{`{"choices":[{"delta":{"content":[{"type":"text","text":"One"},{"type":"text","text":" two"}]}}]}`,
			`{"choices":[{"delta":{"content":[{"text":" three.","type":"text"}]}}]}`, finish}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := events(tt.events...)
			for _, piece := range []int{1, len(body)} {
				x, e := replay(t, "chat", "sse", body, piece)
				if e != nil {
					t.Fatal(e)
				}
				if x.Text != "One two three." || x.Finish != "stop" {
					t.Errorf("text %q, finish reason %q; want %q once, stop", x.Text, x.Finish, "One two three.")
				}
				checkChunks(t, &x)
				n := 0
				for _, c := range x.Chunks {
					if c.Bytes > 0 {
						n++
					}
				}
				if n != tt.chunks {
					t.Errorf("%d chunks with text, want %d: %v", n, tt.chunks, x.Chunks)
				}
				if repeats := strings.Contains(tt.name, "repeat"); x.Wire.Repeating != repeats {
					t.Errorf("noticed as repeating: %v, want %v", x.Wire.Repeating, repeats)
				}
				if several := strings.Contains(tt.name, "choices"); several != x.Wire.Several {
					t.Errorf("noticed several choices: %v, want %v", x.Wire.Several, several)
				}
			}
		})
	}
}

// TestHonestRepetition leaves alone what only looks like a repetition of all so far.
func TestHonestRepetition(t *testing.T) {
	for _, pieces := range [][]string{
		{"ha", "ha", "ha", "ha"}, {"1", "12"}, {"a", "ab", "c"}, {"the ", "the ", "the the "}, {"no", "no no"},
		{"-", "-", "--"},
	} {
		var lines []string
		for _, p := range pieces {
			lines = append(lines, delta(p))
		}
		body := events(append(lines, finish)...)
		x, e := replay(t, "chat", "sse", body, len(body))
		if e != nil {
			t.Fatal(e)
		}
		if want := strings.Join(pieces, ""); x.Text != want || x.Wire.Repeating {
			t.Errorf("%q became %q", pieces, x.Text)
		}
	}
}

// checkChunks compares the lengths of chunks with the texts.
func checkChunks(t *testing.T, x *event.Exchange) {
	t.Helper()
	n := map[event.Channel]int{}
	for _, c := range x.Chunks {
		n[c.Channel] += c.Bytes
	}
	if n[event.Answer]+n[event.Refusal] != len(x.Text) || n[event.Reasoning] != len(x.Reasoning) ||
		n[event.Tool] != len(x.Tools) {
		t.Errorf("chunks hold %v bytes, text %d, reasoning %d, tools %d", n, len(x.Text), len(x.Reasoning), len(x.Tools))
	}
}

// TestReasoningInContent tells an answer from the reasoning that a server left in it.
func TestReasoningInContent(t *testing.T) {
	for _, tt := range []struct{ name, content, text, reasoning, tools string }{
		{"none", "Paris.", "Paris.", "", ""},
		{"a block", "<think>\nHm. Paris?\n</think>\n\nParis.", "Paris.", "\nHm. Paris?\n", ""},
		{"an empty block", "<think>\n\n</think>\n\nParis.", "Paris.", "\n\n", ""},
		{"space before it", "\n <think>Hm</think>Paris.", "Paris.", "Hm", ""},
		{"a closing tag alone", "Hm. Paris?\n</think>\n\nParis.", "Paris.", "Hm. Paris?\n", ""},
		{"it never ends", "<think>\nHm. Is it Paris?", "", "\nHm. Is it Paris?", ""},
		{"two blocks", "<think>a</think>One <think>b</think>two.", "One two.", "ab", ""},
		{"a block within a block", "<think>a<think>b</think>c</think>One.", "One.", "abc", ""},
		{"another spelling", "<thinking>a</thinking>\nOne.", "One.", "a", ""},
		{"Magistral", "[THINK]a[/THINK]One.", "One.", "a", ""},
		{"Seed", "<seed:think>a</seed:think>One.", "One.", "a", ""},
		{"Cohere", "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>One.<|END_RESPONSE|>", "One.", "a", ""},
		{"tags that are talked of", "Write `<think>` and `</think>` around it.", "Write `<think>` and `</think>` around it.",
			"", ""},
		{"harmony", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Paris.", "Paris.",
			"Hm.", ""},
		{"harmony to its end", "<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final" +
			"<|message|>Paris.<|return|>", "Paris.", "Hm.", ""},
		{"harmony that never answers", "<|channel|>analysis<|message|>Hm. It may be", "", "Hm. It may be", ""},
		{"harmony that calls", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary " +
			"to=functions.f " +
			"<|constrain|>json<|message|>{}<|call|>", "", "Hm.", "{}"},
		{"harmony without its marks", "analysisHm. Paris?assistantfinalParis.", "Paris.", "Hm. Paris?", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 3, len(tt.content)} {
				var lines []string
				for rest := tt.content; rest != ""; rest = rest[min(size, len(rest)):] {
					lines = append(lines, delta(strings.ReplaceAll(rest[:min(size, len(rest))], "\n", `\n`)))
				}
				body := events(append(lines, finish)...)
				x, e := replay(t, "chat", "sse", body, len(body))
				if e != nil {
					t.Fatal(e)
				}
				if x.Text != tt.text || x.Reasoning != tt.reasoning || x.Tools != tt.tools {
					t.Errorf("in deltas of %d: text %q, reasoning %q, tools %q", size, x.Text, x.Reasoning, x.Tools)
				}
				checkChunks(t, &x)
				tokens := 0
				for i, c := range x.Chunks {
					if i == 0 || c.At != x.Chunks[i-1].At {
						tokens++
					}
				}
				if tokens != 1 || len(x.Chunks) < len(lines) {
					t.Errorf("in deltas of %d: %d chunks for %d deltas", size, len(x.Chunks), len(lines))
				}
			}
		})
	}
}
