package sim

import (
	"encoding/json"
	"net/http"
	"time"
)

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

// unnamed returns events without a name.
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

// totalled returns the events that end a stream of completions.
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

func (s *Server) chat(w http.ResponseWriter, r *http.Request, arrival time.Time) {
	s.generate(w, r, arrival, &chatForm)
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request, arrival time.Time) {
	s.generate(w, r, arrival, &textForm)
}
