package metrics

import "homellm/engine/event"

// Part is what a time to the first token holds beside the server's work on the prompt. It is the code of a note.
type Part string

// The parts.
const (
	Load        Part = "load"        // the model was loaded for this turn
	Queue       Part = "queue"       // the request waited for others
	HeldBack    Part = "buffered"    // something on the way kept the reply back
	Unexplained Part = "unexplained" // neither the server nor the reply says
)

// holding is what one turn's time to the first token holds.
type holding struct {
	part         Part
	excess, most float64 // over the median and the shortest way of the cell, in ms
}

// ways are what the way between client and server adds to the server's account of each prompt of a cell.
type ways struct {
	of   int // requests that were seen
	held map[*event.Request]holding
}
