package client

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/wire"
)

// keptBody bounds how many bytes of an error body are kept.
const keptBody = 4 << 10

// fault is an error that a server reports.
type fault wire.Fault

func readFault(body []byte) fault { return fault(wire.ReadFault(body)) }

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
	text := strings.ToLower(strings.TrimSpace(f.Message))
	return text == "file not found" || text == "404 page not found" || strings.HasPrefix(text, "unexpected endpoint")
}

// atNoEndpoint is the advice for such a server.
const atNoEndpoint = "the server has no such endpoint: check the base path, and take an API that it serves: homellm " +
	"doctor lists them"

func (f fault) says(words []string) bool {
	text := strings.ToLower(f.Message + "\n" + f.Kind + "\n" + f.Code)
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
	{400, 599, func(f fault) bool { return f.Page }, "protocol",
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
	f := readFault(body)
	said := f.Message
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
	e.Message = fmt.Sprintf("%s; the server said: %s", advice, f.Message)
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
