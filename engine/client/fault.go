package client

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"homellm/engine/event"
)

// keptBody bounds how many bytes of an error body are kept.
const keptBody = 4 << 10

// fault is an error that a server reports, in any of the formats of the servers.
type fault struct {
	message string // one line
	kind    string // the server's own name for the kind of error
	code    string
	html    bool // a web page, not an API's reply
}

// parseFault reads an error body. It knows the object of OpenAI, vLLM and llama.cpp, the string of Ollama and of
// vLLM's 401, the flat object of older vLLM and SGLang, and FastAPI's detail; anything else is taken as text, so it
// never fails.
func parseFault(body []byte) fault {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		var text string
		if json.Unmarshal(body, &text) == nil {
			return fault{message: oneLine(text)}
		}
		return textFault(string(body))
	}
	inner := object
	switch e := object["error"].(type) {
	case map[string]any:
		inner = e
	case string:
		inner = map[string]any{"message": e, "type": object["type"], "code": object["code"]}
	}
	f := fault{kind: word(inner["type"]), code: word(inner["code"])}
	for _, key := range []string{"message", "detail", "msg", "error", "title"} {
		if f.message = oneLine(detail(inner[key])); f.message != "" {
			break
		}
	}
	if f.message == "" {
		f.message = oneLine(string(body))
	}
	return f
}

// detail turns FastAPI's list of complaints, each {loc, msg}, into one text.
func detail(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var parts []string
		for _, item := range v {
			if m, ok := item.(map[string]any); ok {
				parts = append(parts, strings.TrimSpace(fmt.Sprint(word(m["msg"]), " ", location(m["loc"]))))
			}
		}
		return strings.Join(parts, "; ")
	case map[string]any:
		return detail(v["message"])
	}
	return ""
}

func location(v any) string {
	items, _ := v.([]any)
	var parts []string
	for _, item := range items {
		parts = append(parts, word(item))
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, ".") + ")"
}

// word renders a JSON string or number; any other value gives "".
func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func textFault(body string) fault {
	text := strings.TrimSpace(body)
	if !strings.HasPrefix(text, "<") {
		return fault{message: oneLine(text)}
	}
	f := fault{html: true, message: "a web page"}
	lower := strings.ToLower(text)
	from := strings.Index(lower, "<title>")
	to := strings.Index(lower, "</title>")
	if from >= 0 && to > from && len(lower) == len(text) {
		if title := oneLine(text[from+len("<title>") : to]); title != "" {
			f.message = fmt.Sprintf("a web page titled %q", title)
		}
	}
	return f
}

// oneLine makes a server's text fit for a message: valid UTF-8, on one line, of bounded length.
func oneLine(text string) string {
	const limit = 600
	cut := len(text) > limit
	if cut {
		text = text[:limit]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = strings.Join(strings.Fields(text), " ")
	if cut {
		text += " …"
	}
	return text
}

// overflowWords are the phrases by which servers say that a prompt does not fit the context, in lower case. They
// occur in the message, the type or the code of an error.
var overflowWords = []string{
	"maximum context length",           // vLLM, SGLang
	"longer than the maximum model",    // vLLM: the prompt alone is too long
	"be greater than max_model_len",    // vLLM: max_tokens is more than the whole context
	"exceeds model's maximum context",  // vLLM: a prompt of token ids
	"exceed_context_size_error",        // llama.cpp, in the type
	"exceeds the available context",    // llama.cpp, TabbyAPI
	"context_length_exceeded",          // OpenAI and TabbyAPI, in the code
	"longer than the model's context",  // SGLang
	"input length exceeds the context", // Ollama with truncate: false
	"context the overflows",            // LM Studio, spelt as it sends it
	"prompt is too long",               // Anthropic's API
}

// missingWords are the phrases by which servers say that they do not have the model.
var missingWords = []string{"model", "not_found_error", "notfounderror"}

// noEndpoint reports whether a server says that it does not have the path: llama-server, Ollama and LM Studio, which
// does so with status 200.
func (f fault) noEndpoint() bool {
	text := strings.ToLower(strings.TrimSpace(f.message))
	return text == "file not found" || text == "404 page not found" || strings.HasPrefix(text, "unexpected endpoint")
}

// atNoEndpoint is the advice for such a server.
const atNoEndpoint = "the server has no such endpoint: check the base path, and take an API that it serves: homellm " +
	"doctor lists them"

func (f fault) says(words []string) bool {
	text := strings.ToLower(f.message + "\n" + f.kind + "\n" + f.code)
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// refusals maps an HTTP status to an error class and to what the user can do; the first row that fits decides. An
// upper bound of zero means a single status.
var refusals = []struct {
	from, to int
	when     func(fault) bool
	class    string
	advice   string
}{
	{400, 599, func(f fault) bool { return f.says(overflowWords) }, "context_overflow",
		"shorten the documents or lower max_tokens, or serve the model with a larger context"},
	{400, 599, func(f fault) bool { return f.html }, "protocol",
		"this is not an LLM API: check the URL and the base path"},
	{401, 0, nil, "unauthorized", "check the API key"},
	{403, 0, nil, "unauthorized", "check the API key and what it may do"},
	{404, 405, fault.noEndpoint, "bad_request", atNoEndpoint},
	{404, 0, func(f fault) bool { return f.says(missingWords) }, "model_not_found",
		"check the model's name against what the server lists"},
	{404, 405, nil, "bad_request", atNoEndpoint},
	{429, 0, nil, "overloaded", "the server limits its load: try later or send less at once"},
	{503, 0, func(f fault) bool { return f.says([]string{"load"}) }, "overloaded",
		"the model is still being loaded: wait until the server is ready"},
	{503, 0, nil, "overloaded", "the server refuses work for now: try later"},
	{400, 499, nil, "bad_request", "the server does not accept this request"},
	{500, 599, nil, "server_error", "look into the server's log"},
}

// refused turns an HTTP error status into an event.Error that says what to do.
func refused(resp *http.Response, body []byte, now time.Time) *event.Error {
	f := parseFault(body)
	said := f.message
	if said == "" {
		said = "nothing"
	}
	e := &event.Error{
		Class: "protocol",
		Message: fmt.Sprintf("HTTP %d is not an answer to a completion request: the server said: %s",
			resp.StatusCode, said),
		Body:       keep(body),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now),
	}
	for _, r := range refusals {
		if resp.StatusCode < r.from || resp.StatusCode > max(r.from, r.to) || r.when != nil && !r.when(f) {
			continue
		}
		e.Class = r.class
		e.Message = fmt.Sprintf("HTTP %d: %s; the server said: %s", resp.StatusCode, r.advice, said)
		break
	}
	if e.RetryAfter > 0 {
		e.Message += fmt.Sprintf(" (retry after %v)", e.RetryAfter)
	}
	return e
}

// reported turns an error inside a reply into an event.Error. The status was already sent, so only the text tells the
// class.
func reported(f fault, body []byte) *event.Error {
	e := &event.Error{Class: "server_error", Body: keep(body)}
	advice := "the server failed while it answered: look into its log"
	switch {
	case f.says(overflowWords):
		e.Class, advice = refusals[0].class, refusals[0].advice
	case f.noEndpoint():
		e.Class, advice = "bad_request", atNoEndpoint
	}
	e.Message = fmt.Sprintf("%s; the server said: %s", advice, f.message)
	return e
}

// retryAfter reads the header of the same name: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && s > 0 && s <= math.MaxInt32 {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now).Round(time.Second)
	}
	return 0
}

func keep(body []byte) string {
	return strings.ToValidUTF8(string(body[:min(len(body), keptBody)]), "\uFFFD")
}
