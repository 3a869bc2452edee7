package metrics

import "homellm/engine/event"

// DelayCause is why a time to the first token is longer than the server's work on the prompt. It is also the code of
// a note.
type DelayCause string

// The causes.
const (
	Load        DelayCause = "load"        // the model was loaded for this turn
	Queue       DelayCause = "queue"       // the request waited for other requests
	HeldBack    DelayCause = "buffered"    // something between server and client held the reply back
	Unexplained DelayCause = "unexplained" // neither the server nor the reply tells
)

// delay is the delay of one turn's first token.
type delay struct {
	cause        DelayCause
	excess, most float64 // overhead above the cell's median and above its least, in ms
}

// delays are the delays of a cell's turns.
type delays struct {
	seen int // number of requests that were examined
	of   map[*event.Request]delay
}
