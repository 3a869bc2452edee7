package fleet

import "time"

// Assignment is what the broker keeps for a box: the queues that it asks for jobs.
type Assignment struct {
	Queues  []string `json:"queues"`
	Drained string   `json:"drained,omitempty"` // the instance of the box that takes no more jobs
}

// Begun opens the messages of a play.
type Begun struct {
	Box Box `json:"box"`
}

// Ended closes the messages of a play. Its journal is whole, or it says why there is no result.
type Ended struct {
	Failed string `json:"failed,omitempty"`
}

// ServerLog is the log of a server that a box started for a job.
type ServerLog struct {
	Name string `json:"name"`
	Data []byte `json:"data"`          // its end
	Cut  int64  `json:"cut,omitempty"` // bytes before that
}

// Run is a run as the fleet shows it.
type Run struct {
	ID       string    `json:"id"`
	Scenario string    `json:"scenario"`
	By       string    `json:"by"` // name of the operator's key
	Begun    time.Time `json:"begun"`
	Jobs     int       `json:"jobs"`
	Settled  int       `json:"settled"`
	State    string    `json:"state"` // playing, played, interrupted, cancelled
}

// The states of a run.
const (
	Playing     = "playing"
	Played      = "played"
	Interrupted = "interrupted"
	Cancelled   = "cancelled"
)
