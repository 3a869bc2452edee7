package server

import (
	"fmt"
	"testing"

	"homellm/engine/engines"
)

// scrape is a scrape of vLLM or, without ended, of llama.cpp, which counts no requests.
func scrape(t *testing.T, ended, prompt, output, running int) *Snapshot {
	t.Helper()
	text := fmt.Sprintf("llamacpp:prompt_tokens_total %d\nllamacpp:tokens_predicted_total %d\n"+
		"llamacpp:requests_processing %d\n", prompt, output, running)
	if ended >= 0 {
		text = fmt.Sprintf("vllm:request_success_total{finished_reason=\"stop\"} %d\nvllm:prompt_tokens_total %d\n"+
			"vllm:generation_tokens_total %d\nvllm:num_requests_running %d\nvllm:num_requests_waiting 0\n", ended, prompt,
			output, running)
	}
	shot, err := parse(engines.Response{Status: 200, Body: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return shot
}

// Our own request has a prompt of 100 tokens and writes 20.
func TestForeignLoad(t *testing.T) {
	own := Reply{Prompt: new(100), Completion: new(20)}
	for name, c := range map[string]struct {
		engine                         string
		ended, prompt, output, running int // growth, and what runs at the end
		given                          int
		reply                          Reply
		want                           ForeignLoad
		text                           string
	}{
		"alone":                               {engine: "vllm", ended: 1, prompt: 100, output: 20},
		"alone, past a stop string":           {engine: "vllm", ended: 1, prompt: 100, output: 23},
		"alone, a prompt that was read twice": {engine: "vllm", ended: 1, prompt: 200, output: 20},
		"not counted yet":                     {engine: "vllm"},
		"given up, and ended now":             {engine: "vllm", ended: 2, prompt: 160, output: 25, given: 1},
		"given up, and still running":         {engine: "vllm", ended: 1, prompt: 160, output: 25, running: 1, given: 1},
		"given up, and somebody else runs": {engine: "vllm", ended: 1, running: 3, given: 1,
			want: ForeignLoad{Running: 2}, text: "2 requests ran or waited"},
		"one ended": {engine: "vllm", ended: 2, prompt: 400, output: 60,
			want: ForeignLoad{Ended: 1, Prompt: 300, Output: 40}, text: "1 request ended (300 prompt tokens, 40 output tokens)"},
		"one runs and another ended": {engine: "vllm", ended: 2, prompt: 400, output: 60, running: 1,
			want: ForeignLoad{Ended: 1, Prompt: 300, Output: 40, Running: 1},
			text: "1 request ended and 1 request ran or waited (300 prompt tokens, 40 output tokens)"},
		"one ended, and the reply has no usage": {engine: "vllm", ended: 2, prompt: 400, output: 60, reply: Reply{},
			want: ForeignLoad{Ended: 1}, text: "1 request ended"},
		"no requests are counted, alone": {engine: "llamacpp", ended: -1, prompt: 40, output: 20},
		"no requests are counted, somebody else": {engine: "llamacpp", ended: -1, prompt: 40, output: 60,
			want: ForeignLoad{Output: 40}, text: "40 output tokens"},
		"the server was restarted": {engine: "vllm", ended: -7, prompt: 400, output: 60, running: 1},
		"no metrics at all":        {engine: "ollama", ended: 5, prompt: 400, output: 60, running: 1},
	} {
		t.Run(name, func(t *testing.T) {
			side, err := NewSide(Config{BaseURL: "http://127.0.0.1:1", Engine: c.engine, Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			before, ended := scrape(t, 7, 1000, 1000, 0), 7+c.ended
			if c.engine == "llamacpp" {
				before, ended = scrape(t, -1, 1000, 1000, 0), -1
			}
			reply := own
			if c.want.Ended > 0 && c.want.Prompt == 0 {
				reply = c.reply
			}
			got := side.ForeignLoad(before, scrape(t, ended, 1000+c.prompt, 1000+c.output, c.running), reply, c.given)
			if got != c.want || got.Any() != (c.want != ForeignLoad{}) || got.String() != c.text {
				t.Errorf("got %+v (%s), want %+v (%s)", got, got, c.want, c.text)
			}
		})
	}
	if sum := (ForeignLoad{1, 2, 3, 4}).Plus(ForeignLoad{10, 20, 30, 2}); sum != (ForeignLoad{11, 22, 33, 4}) {
		t.Errorf("sum %+v: what runs is not added up, because it is the same request in several turns", sum)
	}
}

// Three requests of our own ended, with prompts of 100 tokens and replies of 20.
func TestForeignAmong(t *testing.T) {
	for name, c := range map[string]struct {
		engine                         string
		ended, prompt, output, running int // growth, and what runs at the end
		given                          int
		want                           ForeignLoad
		told                           bool
	}{
		"ours":               {engine: "vllm", ended: 3, prompt: 300, output: 60, told: true},
		"ours, and a failed": {engine: "vllm", ended: 4, prompt: 400, output: 65, given: 1, told: true},
		"another": {engine: "vllm", ended: 4, prompt: 500, output: 90,
			want: ForeignLoad{Ended: 1, Prompt: 200, Output: 30}, told: true},
		"another runs": {engine: "vllm", ended: 3, prompt: 300, output: 60, running: 1, want: ForeignLoad{Running: 1},
			told: true},
		"no requests are counted, ours": {engine: "llamacpp", ended: -1, prompt: 90, output: 60, told: true},
		"no requests are counted, another": {engine: "llamacpp", ended: -1, prompt: 90, output: 70,
			want: ForeignLoad{Output: 10}, told: true},
		"no requests are counted, and a failed": {engine: "llamacpp", ended: -1, prompt: 90, output: 70, given: 1},
		"no metrics":                            {engine: "ollama", ended: 9, prompt: 900, output: 900},
	} {
		t.Run(name, func(t *testing.T) {
			side, err := NewSide(Config{BaseURL: "http://127.0.0.1:1", Engine: c.engine, Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			before, ended := scrape(t, 7, 1000, 1000, 0), 7+c.ended
			if c.ended < 0 {
				before, ended = scrape(t, -1, 1000, 1000, 0), -1
			}
			got, told := side.ForeignAmong(before, scrape(t, ended, 1000+c.prompt, 1000+c.output, c.running),
				Reply{Prompt: new(300), Completion: new(60)}, 3, c.given)
			if got != c.want || told != c.told {
				t.Errorf("got %+v (%v), want %+v (%v)", got, told, c.want, c.told)
			}
		})
	}
}
