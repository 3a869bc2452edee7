package sim

import "encoding/json"

// form is one generation route: how its requests are read and its replies written. What is generated, and when, is the
// same for all.
type form struct {
	prefix  string // of ids
	chat    bool   // a prompt is a conversation, and the model may think before it answers
	read    func(body []byte, q *request) *refusal
	opening func(x *exchange) []frame // before the first token; nil: nothing
	pieces  func(x *exchange, from, i int) []frame
	ending  func(x *exchange) []frame // the finish reason alone, where it may come late
	closing func(x *exchange) []frame // after the last token
	whole   func(x *exchange) json.RawMessage
	problem func(s *Server, e *refusal) json.RawMessage
	failing func(x *exchange, e *refusal) []frame // an error in the middle of a reply
}

// frame is one event of a stream.
type frame struct {
	name string // its type, on a line of its own; empty: it has none
	data json.RawMessage
}

var chatForm = form{
	prefix: "chatcmpl-", chat: true, read: readCompletion,
	opening: func(x *exchange) []frame { return unnamed(encode(x.role())) },
	pieces:  (*exchange).chunks, ending: (*exchange).lateEnd, closing: (*exchange).totalled,
	whole: (*exchange).whole, problem: (*Server).errorBody, failing: (*exchange).failed,
}

var textForm = form{
	prefix: "cmpl-", read: readCompletion,
	pieces: (*exchange).chunks, ending: (*exchange).lateEnd, closing: (*exchange).totalled,
	whole: (*exchange).whole, problem: (*Server).errorBody, failing: (*exchange).failed,
}

// readCompletion reads a request of OpenAI's completions.
func readCompletion(body []byte, q *request) *refusal { return decode(body, q) }

// unnamed are events without a name.
func unnamed(data ...json.RawMessage) []frame {
	out := make([]frame, len(data))
	for i, d := range data {
		out[i].data = d
	}
	return out
}

func (x *exchange) chunks(from, i int) []frame {
	var out []frame
	for _, ev := range x.tokens(from, i) {
		out = append(out, unnamed(encode(ev))...)
	}
	return out
}

func (x *exchange) lateEnd() []frame { return unnamed(encode(x.ended())) }

// totalled is what ends a stream of completions.
func (x *exchange) totalled() []frame {
	var out []frame
	if x.wantsUsage() && !x.trouble.has("no_usage") {
		out = unnamed(encode(x.totals()))
	}
	if !x.trouble.has("no_done") {
		out = append(out, unnamed(doneMark)...)
	}
	return out
}

func (x *exchange) failed(e *refusal) []frame { return unnamed(x.s.errorBody(e), doneMark) }
