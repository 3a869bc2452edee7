package listing

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"homellm/dsl"
	"homellm/engine/report"
	"homellm/engine/server"
)

// Conversations lists the conversations of scenarios.
type Conversations struct {
	Schema        string         `json:"schema"`
	Conversations []Conversation `json:"conversations"`
}

// Conversation is one of them.
type Conversation struct {
	Scenario       string   `json:"scenario"`
	Conversation   string   `json:"conversation"`
	Fits           bool     `json:"fits"`
	Why            string   `json:"why,omitempty"`   // it does not fit
	Items          int      `json:"items,omitempty"` // of its data set, which are played; 0: it has none
	Tags           []string `json:"tags"`
	Turns          *int     `json:"turns"`
	DeclaredTokens *int     `json:"declared_tokens"`
	CountedTokens  *int     `json:"counted_tokens"`
	Exact          bool     `json:"exact"`
	Unknown        unknown  `json:"unknown"`
}

// counts are what is known of a conversation; 0: not known.
type counts struct{ turns, declared, counted int }

// OfConversations lists the conversations that are left, and those that do not fit the context that was given, file by
// file.
func OfConversations(plans []*dsl.Plan, out []dsl.LeftOut) Conversations {
	d := Conversations{Schema: schemaOf("list"), Conversations: []Conversation{}}
	seen := map[string]bool{} // a conversation may be left out of several cells
	add := func(c Conversation) {
		if name := c.Scenario + "/" + c.Conversation; !seen[name] {
			seen[name] = true
			d.Conversations = append(d.Conversations, c)
		}
	}
	for _, plan := range plans {
		for _, cell := range plan.Cells {
			for i, c := range cell.Scenario.Conversations {
				if cell.Scenario.Again(i) {
					continue
				}
				add(ofCell(plan.Name, cell, c))
			}
		}
	}
	for _, l := range out {
		if l.Context {
			add(conversation(l.Scenario, l.Conversation, l.Reason, counts{l.Turns, l.Conversation.Tokens, l.Tokens}))
		}
	}
	return d
}

// ofCell is a conversation as a cell plays it.
func ofCell(scenario string, cell *dsl.Cell, c *dsl.Conversation) Conversation {
	n, exact := counts{declared: c.Tokens, counted: cell.Size(c.ID)}, false
	for _, t := range cell.TurnsOf(c.ID) {
		n.turns++
		exact = t.Exact
	}
	for _, s := range c.Steps {
		if len(cell.Turns) == 0 { // it is skipped before its turns are played dry
			n.turns += s.Do.Turns()
		}
	}
	out := conversation(scenario, c, cell.Skip, n)
	out.Exact = exact
	return out
}

func conversation(scenario string, c *dsl.Conversation, skip string, n counts) Conversation {
	out := Conversation{Scenario: scenario, Conversation: c.ID, Fits: skip == "", Why: skip, Items: c.Items,
		Tags: append([]string{}, c.Tags...), Unknown: unknown{}}
	out.Turns = server.OrWhy(out.Unknown, "turns", n.turns, skip)
	out.DeclaredTokens = server.OrWhy(out.Unknown, "declared_tokens", n.declared, "its author declares no size")
	out.CountedTokens = server.OrWhy(out.Unknown, "counted_tokens", n.counted, skip)
	return out
}

// WriteText implements [Document].
func (d Conversations) WriteText(w io.Writer) error {
	header := []string{"scenario", "conversation", "fits", "tags", "turns", "declared tok", "counted tok"}
	known := func(n *int) string {
		if n == nil {
			return "–"
		}
		return strconv.Itoa(*n)
	}
	var cells [][]string
	for _, c := range d.Conversations {
		counted, fits := known(c.CountedTokens), "yes"
		if !c.Exact && c.CountedTokens != nil {
			counted = "≈ " + counted
		}
		if !c.Fits {
			fits = "no: " + c.Why
		}
		name := c.Conversation
		if c.Items > 0 {
			name = fmt.Sprintf("%s ×%d", name, c.Items)
		}
		cells = append(cells, []string{c.Scenario, name, fits, strings.Join(c.Tags, ", "), known(c.Turns),
			known(c.DeclaredTokens), counted})
	}
	return report.Columns(w, header, cells, 4)
}
