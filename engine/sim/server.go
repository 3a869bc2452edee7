package sim

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the simulated server. It is safe for concurrent use.
type Server struct {
	cfg          Config
	wire         WireVersion
	reasoningKey string
	served       []string
	context      int
	fingerprint  string
	started      time.Time
	engine       *engine
	ledger       ledger
	count        atomic.Int64
	searches     atomic.Int64 // requests for vectors and scores
	held         atomic.Int64 // bytes, of the requests that are being answered
	mostHeld     int64        // what they may hold together
	noMetrics    atomic.Bool  // of the fault "no_metrics"

	mu     sync.Mutex
	faults []*arming
}

// What the zero value of a Config means.
const (
	defaultGPU   = "RTX 4090"
	defaultModel = "qwen2.5-3b"
)

// Close ends the engine. Requests that still run end with their connection.
func (s *Server) Close() { s.engine.stop() }

// Ledger returns the truth of every request that has ended, in the order of arrival.
func (s *Server) Ledger() []Entry { return s.ledger.list() }

// Retrievals returns the requests for vectors and scores that were answered, in the order of their answers.
func (s *Server) Retrievals() []Retrieval { return s.ledger.listRetrievals() }

// setFaults replaces the faults, as POST /sim/config does. Their counts begin again.
func (s *Server) setFaults(faults ...Fault) error {
	armed, err := arm(faults)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = armed
	return nil
}

// maxBody is the longest request that is read, in bytes.
const maxBody = 64 << 20

// known refuses a model that is not served. An empty name is the served one, as in vLLM.
func (s *Server) known(model string) *refusal {
	if model == "" || slices.Contains(s.served, model) {
		return nil
	}
	return &refusal{http.StatusNotFound, "NotFoundError", fmt.Sprintf("The model `%s` does not exist.", model), "model"}
}
