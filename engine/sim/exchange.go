package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// exchange is one generation request and its reply.
type exchange struct {
	s       *Server
	r       *http.Request
	form    *form
	arrival time.Time
	created int64
	model   string // as the reply names it
	req     request
	entry   *Entry
	trouble trouble
	prompt  []Token
	reply   *reply
	seq     *sequence

	recorded bool
	typed
	outlet
}

// form is one generation route: how its requests are read and its replies written. All routes generate the same text at
// the same instants.
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
	name string // its type, on a separate line; empty: it has none
	data json.RawMessage
}

// outlet is where a reply is written, and the part of it that waits to be written.
type outlet struct {
	w  http.ResponseWriter
	rc *http.ResponseController

	due        time.Time // the instant that belongs to what is being written
	late       time.Duration
	held       []byte        // events that flush will write
	heldTokens int           // how many tokens are among them
	kept       [][]byte      // events of a reply that is held back
	fat        int           // bytes that the next event is padded to, of the fault "oversized"
	broken     bool          // a reply in one piece is cut, of the fault "malformed"
	trickle    time.Duration // between two bytes, of the fault of that name
}

// generate handles a generation route.
func (s *Server) generate(w http.ResponseWriter, r *http.Request, arrival time.Time, f *form) {
	n := int(s.count.Add(1))
	x := &exchange{
		s: s, r: r, form: f, arrival: arrival, created: arrival.Unix(),
		outlet: outlet{w: w, rc: http.NewResponseController(w), due: arrival},
		entry:  &Entry{N: n, Path: r.URL.Path, Arrival: arrival},
	}
	defer x.record("")
	hold := s.hold()
	defer hold.giveBack()
	body, refused := readBody(w, r, &hold)
	if refused != nil {
		x.refuse(refused)
		return
	}
	refused = f.read(body, &x.req)
	x.req.chat = f.chat
	conversation := x.open(refused)
	x.trouble = s.strike(n, r.URL.Path, x.req.Model, conversation)
	x.entry.Faults = x.trouble.names()
	x.model = x.req.Model
	for _, f := range x.trouble {
		if strike, ok := serverFaults[f.Kind]; ok {
			strike(x, f)
		}
	}
	if !x.early() {
		return
	}
	if refused == nil {
		refused = x.req.check()
	}
	if refused == nil {
		refused = s.known(x.req.Model)
	}
	if refused == nil {
		refused = s.blind(&x.req)
	}
	if refused == nil {
		refused = x.prepare(conversation, &hold)
	}
	if refused != nil {
		x.refuse(refused)
		return
	}
	x.submit()
	x.entry.Status = http.StatusOK
	if x.req.Stream {
		x.stream()
	} else {
		x.answer()
	}
}

// open fills the entry in from the request and returns the conversation, as far as there is one.
func (x *exchange) open(refused *refusal) []Message {
	prefix := x.form.prefix
	x.entry.ID = prefix + x.s.id(x.entry.N)
	if id := x.r.Header.Get("X-Request-Id"); id != "" {
		x.entry.ID = prefix + id
	} else if x.req.RequestID != "" {
		x.entry.ID = prefix + x.req.RequestID
	}
	if refused != nil {
		return nil
	}
	if x.req.Model == "" {
		x.req.Model = x.s.served[0]
	}
	x.entry.Model, x.entry.Stream = x.req.Model, x.req.Stream
	if x.req.CacheSalt != nil {
		x.entry.Salt = *x.req.CacheSalt
	}
	if x.form.chat {
		x.entry.Messages = x.req.messages()
		return x.entry.Messages
	}
	x.entry.Prompt, _, _ = x.req.prompt()
	return split(x.entry.Prompt)
}

// strike decides which faults hit request n of a route.
func (s *Server) strike(n int, path, model string, conversation []Message) trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return nil
	}
	texts := make([]string, len(conversation))
	for i, m := range conversation {
		texts[i] = m.Content
	}
	prompt := strings.Join(texts, "\n")
	var out trouble
	for _, a := range s.faults {
		if a.on(path) && a.applies(s.cfg.Seed, n, model, prompt) {
			out = append(out, a.Fault)
		}
	}
	return out
}

// id returns the hexadecimal name of request n, which depends on the seed and n alone.
func (s *Server) id(n int) string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], s.cfg.Seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	sum := sha256.Sum256(b[:])
	return hex.EncodeToString(sum[:16])
}

// early applies the faults that come before the reply; false if one of them was the reply.
func (x *exchange) early() bool {
	if f, ok := x.trouble.find("delay"); ok {
		x.due = x.due.Add(time.Duration(f.Delay))
		if !x.wait(x.due) {
			x.entry.Finish = "abort"
			return false
		}
	}
	if f, ok := x.trouble.find("html"); ok {
		body := f.Body
		if body == "" {
			body = "<!DOCTYPE html>\n<html><body><h1>It works!</h1></body></html>\n"
		}
		x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		x.entry.Status = http.StatusOK
		_, _ = io.WriteString(x.w, body) // the client has closed the connection
		return false
	}
	if f, ok := x.trouble.find("status"); ok {
		if f.RetryAfter > 0 {
			x.w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if f.Body != "" || f.Status == http.StatusUnauthorized {
			body := f.Body
			if body == "" {
				body = `{"error":"Unauthorized"}`
			}
			if json.Valid([]byte(body)) {
				x.w.Header().Set("Content-Type", "application/json")
			}
			x.entry.Status = f.Status
			x.w.WriteHeader(f.Status)
			_, _ = io.WriteString(x.w, body) // the client has closed the connection
			return false
		}
		x.refuse(&refusal{f.Status, errorType(f.Status), "a fault that was asked for: " + http.StatusText(f.Status), ""})
		return false
	}
	return true
}

// errorType is vLLM's name for the kind of error that a status means.
func errorType(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "BadRequestError"
	case http.StatusNotFound:
		return "NotFoundError"
	case http.StatusTooManyRequests:
		return "RateLimitError"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailableError"
	}
	return "InternalServerError"
}

func (x *exchange) refuse(e *refusal) {
	x.entry.Status = e.status
	answerJSON(x.w, e.status, x.form.problem(x.s, e))
}

// prepare tokenises the prompt, checks that it fits and composes the reply.
func (x *exchange) prepare(conversation []Message, hold *holding) *refusal {
	q := &x.req
	if x.form.chat {
		x.prompt = tokenize(render(withTools(conversation, q.Tools), q.ending()))
	} else {
		var e *refusal
		if _, x.prompt, e = q.prompt(); e != nil {
			return e
		}
	}
	if f, ok := x.trouble.find("truncate"); ok && len(x.prompt) > f.Count {
		x.prompt = x.prompt[len(x.prompt)-f.Count:]
	}
	if len(x.prompt) == 0 {
		return badRequest("prompt", "the prompt is empty")
	}
	x.entry.PromptTokens = len(x.prompt)
	most := x.s.context - len(x.prompt)
	limit := q.maxTokens()
	switch {
	case limit != nil:
	case x.form.chat:
		limit = new(max(1, most))
	default:
		limit = new(16) // vLLM's default on this route
	}
	if *limit > most {
		return badRequest("", "%s", x.s.wire.overflowMessage(x.s.context, len(x.prompt), *limit))
	}
	if !hold.take(int64(len(x.prompt)+*limit) * perToken) {
		return errBusy
	}
	p := sampling{
		MaxTokens: *limit, MinTokens: q.MinTokens, IgnoreEOS: q.IgnoreEOS,
		Stop: q.Stop, StopTokens: q.StopTokenIDs, IncludeStop: q.IncludeStop,
	}
	if q.Seed != nil {
		p.Seed = *q.Seed
	}
	text, calls := x.answering(conversation)
	if x.trouble.has("split_utf8") {
		text = "上青 " + text // so that there is a character to cut
	}
	reasoning := 0
	if x.form.chat {
		reasoning = q.reasoning(x.s.cfg)
	}
	x.reply = compose(x.s.cfg.Seed, text, text, reasoning, p)
	x.reply.calling(calls)
	return nil
}

// answering returns what the model generates: calls, or an answer in the requested format.
func (x *exchange) answering(conversation []Message) (text string, calls []Call) {
	if x.form.chat {
		if calls = x.req.decide(conversation); calls != nil {
			return withCalls("", calls), calls
		}
	}
	return x.req.formatted(x.s.say(conversation), conversation), nil
}

// submit passes the request to the engine, to be scheduled when the front end is done. The time computing here took
// is part of the front end's time and not added to it.
func (x *exchange) submit() {
	e := x.s.engine
	f := e.noise(1<<63 | uint64(x.entry.N))
	if e.scale != nil {
		f *= e.scale(x.arrival.Sub(x.s.started), x.entry.N)
	}
	q := newSequence(x.entry.N, x.prompt, x.reply.tokens, x.entry.Salt)
	q.at.arrival, q.finish, q.limit = x.arrival, x.reply.finish, x.reply.limit
	q.at.ready = x.due.Add(e.scaled(frontendTime, f) + e.loading(x.arrival))
	x.seq = q
	e.submit(q) // once the engine has stopped, next returns false
}

// next waits for the next token and moves due to its instant; false if client or server has gone.
func (x *exchange) next() bool {
	select {
	case at := <-x.seq.out:
		if q := x.seq; len(x.entry.Tokens)+x.heldTokens == 0 {
			x.entry.CachedTokens, x.entry.OffloadedTokens = q.cached, q.offloaded
			x.entry.Queue, x.entry.Prefill = q.at.admitted.Sub(q.at.ready), q.at.first.Sub(q.at.admitted)
		}
		if at.After(x.due) { // after a hang, the tokens that became due during it come at once
			x.due = at
		}
		return true
	case <-x.r.Context().Done():
	case <-x.s.engine.done:
	}
	return false
}

// wait waits until an instant; false if client or server has gone first.
func (x *exchange) wait(until time.Time) bool {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.r.Context().Done():
	case <-x.s.engine.done:
	}
	return false
}

// gone waits for the end of client or server.
func (x *exchange) gone() {
	select {
	case <-x.r.Context().Done():
	case <-x.s.engine.done:
	}
}

// record puts the entry into the ledger, once, with the reason for which the reply ended.
func (x *exchange) record(finish string) {
	if x.recorded {
		return
	}
	x.recorded = true
	e := x.entry
	if finish != "" {
		e.Finish = finish
	}
	x.s.ledger.add(e)
}

// seeing lists the models that take images.
var seeing = []string{"gemma-3-4b"}

// blind refuses images if the model takes none.
func (s *Server) blind(q *request) *refusal {
	if slices.Contains(seeing, s.engine.roof.model.Name) {
		return nil
	}
	for _, m := range q.Messages {
		if strings.Contains(string(m.Content), pictureOpen) {
			return badRequest("messages", "At most 0 image(s) may be provided in one prompt.")
		}
	}
	return nil
}
