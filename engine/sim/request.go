package sim

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// request is a generation request as it arrives, for both routes. Pointers tell absent from zero.
type request struct {
	chat bool // it came by the route of chats

	Model     string  `json:"model"`
	RequestID string  `json:"request_id"`
	CacheSalt *string `json:"cache_salt"`

	asked
	drawn
	thought
	ended
	returned
	shaped
	unserved
}

// asked is the prompt, in the form of either route.
type asked struct {
	Messages            []wireMessage   `json:"messages"`
	Prompt              json.RawMessage `json:"prompt"`
	AddGenerationPrompt *bool           `json:"add_generation_prompt"`
	ContinueFinal       bool            `json:"continue_final_message"`
	Echo                bool            `json:"echo"`
	Suffix              string          `json:"suffix"`
}

// drawn says how tokens are drawn.
type drawn struct {
	Temperature *float64 `json:"temperature"`
	TopP        *float64 `json:"top_p"`
	Seed        *int64   `json:"seed"`
	N           *int     `json:"n"`
}

// thought says whether a reply begins with reasoning, and how much of it there may be.
type thought struct {
	Template struct {
		EnableThinking *bool `json:"enable_thinking"`
	} `json:"chat_template_kwargs"`
	ThinkingBudget *int `json:"thinking_token_budget"`
}

// reasoning returns how many reasoning tokens a reply begins with: the server's default, unless the request says
// otherwise.
func (t thought) reasoning(c Config) int {
	n := c.Wire.ReasoningTokens
	switch on := t.Template.EnableThinking; {
	case on != nil && !*on:
		n = 0
	case on != nil && n == 0:
		n = max(0, orDefault(c.Thinking, defaultThinking))
	}
	if t.ThinkingBudget != nil {
		n = min(n, *t.ThinkingBudget)
	}
	return n
}

const defaultThinking = 160

// ended says where a reply ends.
type ended struct {
	MaxTokens           *int         `json:"max_tokens"`
	MaxCompletionTokens *int         `json:"max_completion_tokens"`
	MinTokens           int          `json:"min_tokens"`
	IgnoreEOS           bool         `json:"ignore_eos"`
	Stop                stringOrList `json:"stop"`
	StopTokenIDs        []Token      `json:"stop_token_ids"`
	IncludeStop         bool         `json:"include_stop_str_in_output"`
}

// returned says in which form a reply comes back.
type returned struct {
	Stream         bool           `json:"stream"`
	StreamOptions  *streamOptions `json:"stream_options"`
	ReturnTokenIDs bool           `json:"return_token_ids"`
}

// unserved is what a request may ask for and the simulator refuses or ignores.
type unserved struct {
	Logprobs       json.RawMessage `json:"logprobs"`
	TopLogprobs    json.RawMessage `json:"top_logprobs"`
	PromptLogprobs json.RawMessage `json:"prompt_logprobs"`
}

// shaped says which tools a reply may call and what format it must have.
type shaped struct {
	Tools          []tool          `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat *format         `json:"response_format"`
}

// formats are the types of response format that a request may ask for.
var formats = []string{"text", "json_object", "json_schema"}

type format struct {
	Type   string `json:"type"`
	Schema struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

type streamOptions struct {
	IncludeUsage    *bool `json:"include_usage"` // true once the object is given
	ContinuousUsage bool  `json:"continuous_usage_stats"`
}

// wireMessage is a message whose content is a text or a list of parts.
type wireMessage struct {
	Role    string      `json:"role"`
	Content textContent `json:"content"`
	Calls   []struct {
		Function Call `json:"function"`
	} `json:"tool_calls"`
}

type textContent string

func (c *textContent) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("[")) {
		var parts []struct {
			Type  string `json:"type"`
			Text  string `json:"text"`
			Image struct {
				URL string `json:"url"`
			} `json:"image_url"`
		}
		if err := json.Unmarshal(b, &parts); err != nil {
			return err
		}
		texts := make([]string, len(parts))
		for i, p := range parts {
			var err error
			switch texts[i] = p.Text; p.Type {
			case "text":
			case "image_url":
				texts[i], err = picture(p.Image.URL)
			default:
				err = fmt.Errorf("content of type %q is not supported by this model", p.Type)
			}
			if err != nil {
				return err
			}
		}
		*c = textContent(strings.Join(texts, "\n"))
		return nil
	}
	var text *string
	if err := json.Unmarshal(b, &text); err != nil || text == nil { // null: a message with calls only
		return err
	}
	*c = textContent(*text)
	return nil
}

// stringOrList is a field that may be one string or several.
type stringOrList []string

func (l *stringOrList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("[")) {
		return json.Unmarshal(b, (*[]string)(l))
	}
	var s *string
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	*l = []string{*s}
	return nil
}

// refusal is an error that the server answers with.
type refusal struct {
	status  int
	kind    string // "BadRequestError"
	message string
	param   string // the field at fault; empty for none
}

func badRequest(param, format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "BadRequestError", fmt.Sprintf(format, args...), param}
}

// decode reads a request's body.
func decode(body []byte, into any) *refusal {
	if err := json.Unmarshal(body, into); err != nil {
		return badRequest("", "the request is not valid: %v", err)
	}
	return nil
}

// rule is one reason to refuse a request.
type rule struct {
	param   string
	applies func(q *request) bool
	says    func(q *request) string
}

// rules lists what vLLM refuses and what only a real model could do. The first rule that applies counts.
var rules = []rule{
	{"messages", func(q *request) bool { return q.chat && len(q.Messages) == 0 },
		func(*request) string { return "messages: at least one message is required" }},
	{"prompt", func(q *request) bool { return !q.chat && len(q.Prompt) == 0 },
		func(*request) string { return "prompt: field required" }},
	{"temperature", func(q *request) bool { return q.Temperature != nil && *q.Temperature < 0 },
		func(q *request) string {
			return fmt.Sprintf("temperature must be non-negative, got %v.", *q.Temperature)
		}},
	{"top_p", func(q *request) bool { return q.TopP != nil && (*q.TopP <= 0 || *q.TopP > 1) },
		func(q *request) string { return fmt.Sprintf("top_p must be in (0, 1], got %v.", *q.TopP) }},
	{"max_tokens", func(q *request) bool { return q.maxTokens() != nil && *q.maxTokens() < 1 },
		func(q *request) string { return fmt.Sprintf("max_tokens must be at least 1, got %d.", *q.maxTokens()) }},
	{"min_tokens", func(q *request) bool { return q.MinTokens < 0 },
		func(q *request) string {
			return fmt.Sprintf("min_tokens must be greater than or equal to 0, got %d.", q.MinTokens)
		}},
	{"min_tokens", func(q *request) bool { return q.maxTokens() != nil && q.MinTokens > *q.maxTokens() },
		func(q *request) string {
			return fmt.Sprintf("min_tokens must be less than or equal to max_tokens=%d, got %d.", *q.maxTokens(), q.MinTokens)
		}},
	{"thinking_token_budget", func(q *request) bool { return q.ThinkingBudget != nil && *q.ThinkingBudget < 0 },
		func(q *request) string {
			return fmt.Sprintf("thinking_token_budget must be non-negative, got %d.", *q.ThinkingBudget)
		}},
	{"stream_options", func(q *request) bool { return q.StreamOptions != nil && !q.Stream },
		func(*request) string { return "Stream options can only be defined when `stream=True`." }},
	{"continue_final_message", func(q *request) bool {
		return q.ContinueFinal && (q.AddGenerationPrompt == nil || *q.AddGenerationPrompt)
	},
		func(*request) string {
			return "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
		}},
	{"cache_salt", func(q *request) bool { return q.CacheSalt != nil && *q.CacheSalt == "" },
		func(*request) string { return "Parameter 'cache_salt' must be a non-empty string if provided." }},
	{"n", func(q *request) bool { return q.N != nil && *q.N != 1 },
		func(q *request) string { return fmt.Sprintf("the simulator answers with one choice, not %d", *q.N) }},
	{"tools", func(q *request) bool {
		return slices.ContainsFunc(q.Tools, func(t tool) bool { return t.Function.Name == "" })
	},
		func(*request) string { return "tools: a function has no name" }},
	{"tool_choice", func(q *request) bool { return len(q.ToolChoice) > 0 && len(q.Tools) == 0 && !q.choosesNone() },
		func(*request) string { return "When using `tool_choice`, `tools` must be set." }},
	{"tool_choice", func(q *request) bool { return q.misnamed() },
		func(*request) string { return "Tool choice 'function' not found in 'tools' parameter." }},
	{"logprobs", func(q *request) bool { return given(q.Logprobs) },
		func(q *request) string { return noLogprobs("sample", q.Logprobs, q.TopLogprobs) }},
	{"prompt_logprobs", func(q *request) bool { return given(q.PromptLogprobs) },
		func(q *request) string { return noLogprobs("prompt", q.PromptLogprobs, nil) }},
	{"response_format", func(q *request) bool {
		return q.ResponseFormat != nil && !slices.Contains(formats, q.ResponseFormat.Type)
	},
		func(q *request) string { return fmt.Sprintf("response_format: no type %q", q.ResponseFormat.Type) }},
	{"response_format", func(q *request) bool {
		return q.ResponseFormat != nil && q.ResponseFormat.Type == "json_schema" && !given(q.ResponseFormat.Schema.Schema)
	},
		func(*request) string {
			return "When response_format type is 'json_schema', the 'json_schema' field must be provided."
		}},
	{"echo", func(q *request) bool { return q.Echo },
		func(*request) string { return "the simulator does not echo prompts" }},
	{"suffix", func(q *request) bool { return q.Suffix != "" },
		func(*request) string { return "suffix is not currently supported" }},
}

// check refuses a request that one of the rules applies to.
func (q *request) check() *refusal {
	for _, r := range rules {
		if r.applies(q) {
			return badRequest(r.param, "%s", r.says(q))
		}
	}
	return nil
}

// noLogprobs refuses log-probabilities in vLLM's words, as with --max-logprobs 0.
func noLogprobs(of string, asked, top json.RawMessage) string {
	n := string(asked)
	if n == "true" {
		n = cmp.Or(string(top), "0")
	}
	return fmt.Sprintf("Requested %s logprobs of %s, which is greater than max allowed: 0", of, n)
}

// choice returns the request's tool choice: auto, none, required, or named with the tool's name.
func (q *request) choice() (how, named string) {
	var object struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	switch {
	case len(q.ToolChoice) == 0 || json.Unmarshal(q.ToolChoice, &how) == nil:
		return how, ""
	case json.Unmarshal(q.ToolChoice, &object) == nil:
		return "named", object.Function.Name
	}
	return "", ""
}

// choosesNone reports whether the request allows no calls.
func (q *request) choosesNone() bool {
	how, _ := q.choice()
	return how == "none" || how == ""
}

// misnamed reports whether the request requires a tool that it does not declare.
func (q *request) misnamed() bool {
	how, named := q.choice()
	return how == "named" && !slices.ContainsFunc(q.Tools, func(t tool) bool { return t.Function.Name == named })
}

// given tells whether a field is there and asks for something.
func given(raw json.RawMessage) bool {
	s := string(raw)
	return s != "" && s != "null" && s != "false"
}

// maxTokens is the limit that the request states, or nil.
func (q *request) maxTokens() *int {
	if q.MaxCompletionTokens != nil {
		return q.MaxCompletionTokens
	}
	return q.MaxTokens
}

// messages returns the conversation of a chat request.
func (q *request) messages() []Message { return conversation(q.Messages) }

func conversation(wire []wireMessage) []Message {
	out := make([]Message, len(wire))
	for i, m := range wire {
		var calls []Call
		for _, c := range m.Calls {
			calls = append(calls, c.Function)
		}
		out[i] = Message{m.Role, withCalls(string(m.Content), calls)}
	}
	return out
}

// ending tells how the rendered conversation ends.
func (q *request) ending() ending {
	return endingOf(q.AddGenerationPrompt, q.ContinueFinal)
}

func endingOf(add *bool, continued bool) ending {
	switch {
	case continued:
		return insideLast
	case add != nil && !*add:
		return closed
	}
	return withHeader
}

// prompt returns the text and the tokens of a completions prompt: one string or one list of tokens, each of which may
// be in a list of one.
func (q *request) prompt() (string, []Token, *refusal) {
	raw := q.Prompt
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 && bytes.ContainsAny(list[0][:1], `"[`) {
		if len(list) > 1 {
			return "", nil, badRequest("prompt", "the simulator takes one prompt a request, not %d", len(list))
		}
		raw = list[0]
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, tokenize(text), nil
	}
	var ids []Token
	if json.Unmarshal(raw, &ids) != nil || len(ids) == 0 {
		return "", nil, badRequest("prompt", "prompt: must be a string or a list of token ids")
	}
	text, _ = detokenize(ids) // numbers that are not our tokens are legal prompts without a text
	return text, ids, nil
}
