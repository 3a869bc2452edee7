package dsl

// LeftOut is a conversation that an option excludes.
type LeftOut struct {
	Scenario     string
	Conversation *Conversation
	Cell         string // the cell without it; empty: all cells
	Reason       string
	Context      bool // it does not fit the given context
	Turns        int  // 0: unknown
	Tokens       int  // at its largest; 0: unknown
}

// String names it.
func (l LeftOut) String() string {
	name := l.Scenario + "/" + l.Conversation.ID
	if l.Cell != "" {
		name += " (" + l.Cell + ")"
	}
	return name
}

// selection counts what the options select from all files of a command.
type selection struct {
	include, exclude []string
	most             int // conversations; 0: any number
	known            map[string]bool
	kept             int // conversations
	out              []LeftOut
}
