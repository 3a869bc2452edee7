package event

import (
	"fmt"
	"time"

	"homellm/engine/wire"
)

// Request is one request and its reply, whether it succeeded or not.
type Request struct {
	Repeat int  `json:"repeat"` // from 1; warm-ups are counted separately
	Warmup bool `json:"warmup,omitempty"`
	// number of the play of its conversation in the window, which is the repeat, by its user, from 1; 0: there are no
	// windows
	Play         int    `json:"play,omitempty"`
	User         int    `json:"user,omitempty"` // from 1; 0: the scenario has no users
	Conversation string `json:"conversation"`
	Item         int    `json:"item,omitempty"` // of the conversation's data set, by its place there; 0: it has none
	Step         string `json:"step"`
	Turn         int    `json:"turn"` // within the step, from 1
	Action       string `json:"action"`
	Prefill      bool   `json:"prefill,omitempty"`    // it only sends the context, to fill the cache
	MaxTokens    int    `json:"max_tokens,omitempty"` // max_tokens of the request; 0: not set
	Phase        string `json:"phase"`                // one of Phases
	// how long steps before it waited, since the request before it
	Waited time.Duration `json:"waited_ns,omitempty"`
	// number of the request for its user message, from 1; 0: the conversation has no tools
	Round int `json:"round,omitempty"`
	// results of tool calls; nil: the conversation has no tools, or the request failed
	Answered *Answered `json:"answered,omitempty"`
	// keys of the scenario's request that were not sent, because the server's API does not have them
	Unkept []string `json:"unkept,omitempty"`
	// searches since the request before it, whose chunks it may be the first to send
	Retrieved []Retrieval `json:"retrieved,omitempty"`
	// images in the prompt, without their data
	Images []Image `json:"images,omitempty"`
	Exchange

	// The following fields come from the profile and the tokeniser.
	Cached       *int   `json:"cached_tokens"`
	CacheSource  string `json:"cache_source"`  // usage | timings | counters | none
	CacheAssumed bool   `json:"cache_assumed"` // the server reported nothing, which according to the profile means 0
	CacheWhy     string `json:"cache_why"`     // why Cached is unknown
	// longest prefix seen before, in whole blocks: the ceiling of any prefix cache
	Reusable       *int   `json:"reusable_tokens"`
	ReusableSource string `json:"reusable_source"` // tokens | estimated
	ReusableWhy    string `json:"reusable_why,omitempty"`

	// the reply was held back instead of being sent as it was generated, so the times of its tokens are unknown
	Buffered bool `json:"buffered,omitempty"`
	// tokens of the text after the first arrival, if the server does not say how many tokens that had; nil: not counted
	Later *Counted `json:"later_tokens,omitempty"`

	Estimate *Estimate `json:"estimate,omitempty"` // nil: the server's own tokeniser counted, or counting was impossible
}

// Played is the id of the conversation, with the number of its item if it has a data set.
func (r *Request) Played() string {
	if r.Item == 0 {
		return r.Conversation
	}
	return fmt.Sprintf("%s item %d", r.Conversation, r.Item)
}

// Retrieval is a search of a corpus for what is put into the context.
type Retrieval struct {
	Step   string        `json:"step"`
	Corpus string        `json:"corpus"`
	Query  string        `json:"query"`
	Embed  time.Duration `json:"embed_ns"` // the query's vector
	// choice among more chunks by a reranker; nil: there was none
	Rerank *time.Duration `json:"rerank_ns,omitempty"`
	Chunks []Found        `json:"chunks"` // the best first
	Expect []Expected     `json:"expect,omitempty"`
	Failed string         `json:"failed,omitempty"` // why it found nothing; empty: it did not fail
}

// Found is a chunk that a search has found.
type Found struct {
	ID    string  `json:"id"`
	File  string  `json:"file"`
	Score float64 `json:"score"` // by the reranker if there is one, else the cosine of both vectors
}

// Expected is what a search should find, and whether it did.
type Expected struct {
	Name  string `json:"name"` // a file or a chunk
	Found bool   `json:"found"`
}

// Image is a picture that was sent.
type Image struct {
	SHA256 string `json:"sha256"`
	Media  string `json:"media"`
	Bytes  int    `json:"bytes"`
}

// Answered says how the tool calls of a reply were answered.
type Answered struct {
	Valid     int `json:"valid"`     // calls of an existing tool with arguments that its parameters accept
	Unmatched int `json:"unmatched"` // calls that got an error as their result, because no result matches
	// why no further request follows: answer, max_rounds or loop; empty: another request follows
	Stopped string `json:"stopped,omitempty"`
}

// Counted is a tokeniser's count of a text.
type Counted struct {
	Tokens int `json:"tokens"`
	Spread int `json:"spread"` // how far the model's own number of tokens may be from Tokens
}

// Estimate is homellm's count of a prompt, made before it was sent and before the server's count was known.
type Estimate struct {
	Prompt int     `json:"prompt_tokens"`
	Shared int     `json:"shared_tokens"` // tokens of its longest prefix that the server had seen
	Spread float64 `json:"spread"`        // relative half width that the counter claims; 0: it claims to be exact
	Source string  `json:"source"`        // the counter
}

// Exchange is what a client saw of one request. All instants are since the start of the run and are taken when bytes
// arrive, before they are decoded.
type Exchange struct {
	Due time.Duration `json:"due_ns"` // when the request should have been sent
	// first byte of the request handed to the kernel; nil if it never was
	Sent *time.Duration `json:"sent_ns"`
	// time to make a new connection (name, TCP, TLS); nil if one was reused
	Connect    *time.Duration `json:"connect_ns"`
	Headers    *time.Duration `json:"headers_ns"`              // first byte of the response
	FirstEvent *time.Duration `json:"first_event_ns"`          // first event with choices, empty or not
	Finished   *time.Duration `json:"finished_ns,omitempty"`   // event that gave the finish reason of a stream
	Done       time.Duration  `json:"done_ns"`                 // end of the exchange, however it ended
	Status     int            `json:"status"`                  // HTTP status, 0 if there was none
	Chunks     []Chunk        `json:"chunks"`                  // every non-empty delta
	Text       string         `json:"text"`                    // the answer, or the refusal that replaces it
	Reasoning  string         `json:"reasoning,omitempty"`     // the reasoning channel
	Tools      string         `json:"tools,omitempty"`         // tool calls: names and arguments as they came
	Finish     string         `json:"finish_reason,omitempty"` // as the server spells it
	// the reply's tool calls, parsed; older journals have only Tools
	Calls []wire.ToolCall `json:"tool_calls,omitempty"`
	// when the first tool call was complete: the arrival of its last piece; nil: the reply was not streamed, or has no
	// calls
	FirstCall *time.Duration `json:"first_call_ns,omitempty"`
	Usage     Usage          `json:"usage"`
	// the server's figures for this request, by metric name (server.prefill_ms …)
	Timings map[string]float64 `json:"timings,omitempty"`
	Wire    Wire               `json:"wire"`
	Err     *Error             `json:"error"`
}

// Channel is the channel of a delta.
type Channel string

// The channels of a chat stream.
const (
	Answer    Channel = "answer"
	Reasoning Channel = "reasoning"
	Tool      Channel = "tool"
	Refusal   Channel = "refusal"
)

// Chunk is one non-empty delta. Bytes is its length in Text (answer and refusal), Reasoning or Tools, so that its
// text can be found there and is not stored twice.
type Chunk struct {
	At      time.Duration `json:"at"`
	Channel Channel       `json:"ch"`
	Bytes   int           `json:"b"`
	Tokens  *int          `json:"t,omitempty"` // tokens in the chunk, if the server reports them
	// an instant before any byte arrived of the read that delivered this chunk and later ones, which all have the instant
	// of the last
	After *time.Duration `json:"after,omitempty"`
}

// Usage is the server's own count of tokens.
type Usage struct {
	Prompt     *int `json:"prompt_tokens"`
	Completion *int `json:"completion_tokens"`
	Reasoning  *int `json:"reasoning_tokens"`
	Cached     *int `json:"cached_tokens"` // as reported; nil if absent or null
	// input_tokens, on an API where they leave out cached tokens, so that Prompt is a sum; nil on other APIs
	Input *int `json:"input_tokens,omitempty"`
}

// Wire describes the framing of the reply, to explain a surprising figure.
type Wire struct {
	Protocol    string `json:"protocol,omitempty"`     // HTTP/1.1, HTTP/2.0
	ContentType string `json:"content_type,omitempty"` //
	Framing     string `json:"framing,omitempty"`      // sse | ndjson | json
	Reused      bool   `json:"reused"`                 // the connection had carried an earlier request
	Warmed      bool   `json:"warmed,omitempty"`       // the connection was made before the request was due
	// the connection ended before any reply: the request was sent once more
	Resent       bool   `json:"resent,omitempty"`
	RoleEarly    bool   `json:"role_early"`              // a chunk without text came before the first token
	ReasoningKey string `json:"reasoning_key,omitempty"` // reasoning | reasoning_content | thinking
	UsageIn      string `json:"usage_in,omitempty"`      // last_chunk | own_chunk | every_chunk | body | timings
	// who stamped the arrivals: kernel, or reader if a read returned without the kernel's stamp
	StampedBy string `json:"stamped_by,omitempty"`
	Events    int    `json:"events"`   // SSE events or NDJSON lines
	Comments  int    `json:"comments"` // SSE comment lines
	Reads     int    `json:"reads"`    // reads that delivered bytes
	// most deltas that arrived in one read, which share an arrival time
	CoalescedMax  int    `json:"coalesced_max"`
	Bytes         int64  `json:"bytes"`                    // of the body
	Several       bool   `json:"several,omitempty"`        // the reply had several choices: only the first is kept
	Repeating     bool   `json:"repeating,omitempty"`      // deltas repeated all text so far, which is stored once
	DoneMarker    bool   `json:"done_marker"`              // [DONE] or done:true was seen
	Model         string `json:"model,omitempty"`          // the model's name in the reply
	CachedIn      string `json:"cached_in,omitempty"`      // where Usage.Cached was read: usage | timings
	UsageConflict string `json:"usage_conflict,omitempty"` // how two counts of this reply contradict each other
	RequestSHA256 string `json:"request_sha256,omitempty"` // of the body sent
}

// Error says why a request failed.
type Error struct {
	Class      string        `json:"class"`                    // one of the classes in Classes
	Message    string        `json:"message"`                  // what happened, and what to do
	Body       string        `json:"body,omitempty"`           // beginning of the reply's body, at most 4 KiB
	RetryAfter time.Duration `json:"retry_after_ns,omitempty"` // the pause that the server asked for
}

// Classes lists every error class with its meaning.
var Classes = []struct{ Name, Doc string }{
	{"connect", "no connection could be made"},
	{"timeout_first_token", "nothing but headers or empty deltas arrived in time"},
	{"timeout_idle", "the stream stopped in the middle for longer than the idle time-out"},
	{"timeout", "the step's own time-out ran out"},
	{"reset", "the connection broke before the reply was complete"},
	{"truncated", "the stream ended without a finish reason and without [DONE]"},
	{"server_error", "the server reported an error: HTTP 5xx, an error event in the stream, or the finish reason abort " +
		"or error"},
	{"overloaded", "the server refused for now: HTTP 429 or 503"},
	{"context_overflow", "the prompt and the tokens asked for do not fit the served context"},
	{"model_not_found", "the server does not have the model"},
	{"unauthorized", "the server wants another key: HTTP 401 or 403"},
	{"bad_request", "the server did not accept the request: other HTTP 4xx"},
	{"redirect", "the server answered with a redirect, which is not followed"},
	{"protocol", "the reply is not what the API promises: HTML, bad JSON, wrong content type"},
	{"empty", "the reply is well formed and holds no token"},
	{"too_large", "the reply exceeded the limit on kept bytes"},
	{"retrieval", "a search for what is put into the context failed, so the request was not sent"},
	{"cancelled", "the run was interrupted while the request was in flight"},
}
