package sim

import (
	"strings"
)

// typed is the state of a reply on an API whose events state their type.
type typed struct {
	sequence int
	writing  *item // what is being written; nil: nothing
	items    []*item
}

// item is an item of a response or a block of a message: reasoning, a text or a call.
type item struct {
	index int
	kind  string
	text  strings.Builder
	call  int
}
