package dsl

// LeftOut is a conversation that an option leaves out.
type LeftOut struct {
	Scenario     string
	Conversation *Conversation
	Cell         string // the one that it is left out of; empty: all
	Reason       string
	Context      bool // it does not fit the context that was given
	Turns        int  // 0: not known
	Tokens       int  // at its largest; 0: not known
}

// String names it.
func (l LeftOut) String() string {
	name := l.Scenario + "/" + l.Conversation.ID
	if l.Cell != "" {
		name += " (" + l.Cell + ")"
	}
	return name
}

// selection is what the options leave of all files of a command.
type selection struct {
	include, exclude []string
	most             int // conversations; 0: any number
	known            map[string]bool
	kept             int // conversations
	out              []LeftOut
}
