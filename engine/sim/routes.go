package sim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// route is one entry of the table of routes.
type route struct {
	methods string // separated by blanks
	path    string
	dev     bool // only in vLLM's dev mode
	handle  func(s *Server, w http.ResponseWriter, r *http.Request, arrival time.Time)
}

// routes returns the table of routes. It is a function because the entry for the description of
// the routes refers to the table itself.
func routes() []route {
	return []route{
		{"GET", "/health", false, (*Server).health},
		{"GET POST", "/ping", false, (*Server).health},
		{"GET", "/version", false, (*Server).version},
		{"GET", "/load", false, (*Server).load},
		{"GET", "/metrics", false, (*Server).metricsPage},
		{"GET", "/openapi.json", false, (*Server).openAPI},
		{"GET", "/v1/models", false, (*Server).models},
		{"POST", "/v1/chat/completions", false, (*Server).chat},
		{"POST", "/v1/completions", false, (*Server).complete},
		{"POST", "/v1/responses", false, (*Server).respond},
		{"POST", "/v1/messages", false, (*Server).message},
		{"POST", "/v1/messages/count_tokens", false, (*Server).countTokens},
		{"POST", embedPath, false, (*Server).embed},
		{"POST", rerankPath, false, (*Server).rank},
		{"POST", bareRerank, false, (*Server).rank},
		{"POST", "/tokenize", false, (*Server).tokenize},
		{"POST", "/detokenize", false, (*Server).detokenize},
		{"POST", "/reset_prefix_cache", true, (*Server).resetPrefixCache},
		{"GET POST", "/sim/config", false, (*Server).configure},
		{"GET", "/sim/ledger", false, (*Server).ledgerPage},
	}
}

// ServeHTTP handles one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrival := time.Now()
	w = newPatient(w)
	w.Header().Set("Server", "homellm-sim")
	if arrival.Sub(s.started) < s.cfg.StartupDelay {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") && s.cfg.APIKey != "" &&
		r.Header.Get("Authorization") != "Bearer "+s.cfg.APIKey && r.Header.Get("X-Api-Key") != s.cfg.APIKey {
		answerJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized"})
		return
	}
	for _, t := range routes() {
		if t.path != r.URL.Path || t.dev && s.cfg.NoDevMode {
			continue
		}
		if !slices.Contains(strings.Fields(t.methods), r.Method) {
			answerJSON(w, http.StatusMethodNotAllowed, map[string]string{"detail": "Method Not Allowed"})
			return
		}
		t.handle(s, w, r, arrival)
		return
	}
	answerJSON(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	w.WriteHeader(http.StatusOK)
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	answerJSON(w, http.StatusOK, map[string]string{"version": s.wire.Version + simulated})
}

func (s *Server) load(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	answerJSON(w, http.StatusOK, map[string]int{"server_load": s.engine.load()})
}

func (s *Server) metricsPage(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	if s.noMetrics.Load() {
		answerJSON(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
		return
	}
	s.engine.mu.Lock()
	text := s.writeMetrics()
	s.engine.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(text) // the client has closed the connection
}

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	paths := map[string]map[string]any{}
	for _, t := range routes() {
		if t.dev && s.cfg.NoDevMode {
			continue
		}
		paths[t.path] = map[string]any{}
		for m := range strings.FieldsSeq(t.methods) {
			paths[t.path][strings.ToLower(m)] = struct{}{}
		}
	}
	answerJSON(w, http.StatusOK, map[string]any{
		"openapi": "3.1.0", "info": map[string]string{"title": "FastAPI", "version": "0.1.0"}, "paths": paths,
	})
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	type permission struct {
		ID       string `json:"id"`
		Object   string `json:"object"`
		Created  int64  `json:"created"`
		Sampling bool   `json:"allow_sampling"`
		Logprobs bool   `json:"allow_logprobs"`
	}
	type card struct {
		ID          string       `json:"id"`
		Object      string       `json:"object"`
		Created     int64        `json:"created"`
		OwnedBy     string       `json:"owned_by"`
		Root        string       `json:"root"`
		Parent      *string      `json:"parent"`
		MaxModelLen int          `json:"max_model_len"`
		Permission  []permission `json:"permission"`
	}
	cards := make([]card, len(s.served))
	at := s.started.Unix()
	for i, name := range s.served {
		cards[i] = card{
			ID: name, Object: "model", Created: at, OwnedBy: "vllm", Root: s.served[0], MaxModelLen: s.context,
			Permission: []permission{{ID: "modelperm-" + s.id(i), Object: "model_permission", Created: at, Sampling: true}},
		}
	}
	answerJSON(w, http.StatusOK, map[string]any{"object": "list", "data": cards})
}

// read reads and decodes a JSON body; false if it has answered with a refusal.
func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	hold := s.hold()
	defer hold.giveBack()
	body, refused := readBody(w, r, &hold)
	if refused != nil {
		s.refuse(w, refused)
		return false
	}
	if e := decode(body, into); e != nil {
		s.refuse(w, e)
		return false
	}
	return true
}

func (s *Server) tokenize(w http.ResponseWriter, r *http.Request, _ time.Time) {
	var q struct {
		Model    string        `json:"model"`
		Prompt   *string       `json:"prompt"`
		Messages []wireMessage `json:"messages"`
		Tools    []tool        `json:"tools"`
		Add      *bool         `json:"add_generation_prompt"`
		Continue bool          `json:"continue_final_message"`
		Strings  bool          `json:"return_token_strs"`
	}
	if !s.read(w, r, &q) {
		return
	}
	if e := s.known(q.Model); e != nil {
		s.refuse(w, e)
		return
	}
	var text string
	switch {
	case q.Prompt != nil:
		text = *q.Prompt
	case len(q.Messages) > 0:
		text = render(withTools(conversation(q.Messages), q.Tools), endingOf(q.Add, q.Continue))
	default:
		s.refuse(w, badRequest("prompt", "either prompt or messages is required"))
		return
	}
	tokens := tokenize(text)
	var pieces []string
	if q.Strings {
		pieces = make([]string, len(tokens))
		for i, t := range tokens {
			pieces[i], _ = t.Text()
		}
	}
	answerJSON(w, http.StatusOK, struct {
		Count   int      `json:"count"`
		Limit   int      `json:"max_model_len"`
		Tokens  []Token  `json:"tokens"`
		Strings []string `json:"token_strs"`
	}{len(tokens), s.context, tokens, pieces})
}

func (s *Server) detokenize(w http.ResponseWriter, r *http.Request, _ time.Time) {
	var q struct {
		Model  string  `json:"model"`
		Tokens []Token `json:"tokens"`
	}
	if !s.read(w, r, &q) {
		return
	}
	if e := s.known(q.Model); e != nil {
		s.refuse(w, e)
		return
	}
	text, ok := detokenize(q.Tokens)
	if !ok {
		s.refuse(w, badRequest("tokens", "one of the numbers is not a token"))
		return
	}
	answerJSON(w, http.StatusOK, map[string]string{"prompt": text})
}

// resetPrefixCache answers 200 whether or not it was done, as vLLM does.
func (s *Server) resetPrefixCache(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	s.engine.reset()
	w.WriteHeader(http.StatusOK)
}

// configure shows the faults, and with POST replaces them first.
func (s *Server) configure(w http.ResponseWriter, r *http.Request, _ time.Time) {
	if r.Method == http.MethodPost {
		var q struct {
			Faults      []Fault `json:"faults"`
			ClearLedger bool    `json:"clear_ledger"`
		}
		hold := s.hold()
		defer hold.giveBack()
		body, refused := readBody(w, r, &hold)
		if refused != nil {
			s.refuse(w, refused)
			return
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err := d.Decode(&q)
		if err == nil {
			err = s.setFaults(q.Faults...)
		}
		if err != nil {
			s.refuse(w, badRequest("", "%v", err))
			return
		}
		if q.ClearLedger {
			s.ledger.clear()
		}
	}
	s.mu.Lock()
	faults := make([]Fault, len(s.faults))
	for i, a := range s.faults {
		faults[i] = a.Fault
	}
	s.mu.Unlock()
	answerJSON(w, http.StatusOK, map[string][]Fault{"faults": faults})
}

func (s *Server) ledgerPage(w http.ResponseWriter, _ *http.Request, _ time.Time) {
	answerJSON(w, http.StatusOK, struct {
		Entries    []Entry     `json:"entries"`
		Retrievals []Retrieval `json:"retrievals,omitempty"`
	}{s.ledger.list(), s.Retrievals()})
}
