package dsl

import (
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/syntax"
)

// examine asks what the template of the cell's model does to a conversation: whether its turns
// extend each other, and whether it holds text that is more than text to the model.
func (w *walker) examine(conversation *Conversation, messages []Message) {
	if w.opt.Examine == nil || len(messages) == 0 || w.cell.Model == nil {
		return
	}
	x := w.opt.Examine(w.cell.Server, w.cell.Model, messages)
	w.cell.examined = w.cell.examined || x.Rendered
	w.cell.daily = w.cell.daily || x.Daily
	if w.cell.rewrites == "" && x.Rewrites != "" {
		w.cell.rewrites = fmt.Sprintf("conversation %s: %s", conversation.ID, x.Rewrites)
	}
	for _, s := range x.Suspects {
		role := messages[s.Message].Role
		if role == "assistant" {
			continue // the stand-ins for replies are ours
		}
		at, what := conversation.Pos, fmt.Sprintf("a %s message of conversation %q", role, conversation.ID)
		if i := slices.IndexFunc(w.cell.Scenario.Documents, func(d *Document) bool { return strings.Contains(d.Text, s.Token) }); i >= 0 {
			d := w.cell.Scenario.Documents[i]
			at, what = d.Pos, fmt.Sprintf("document %q", d.ID)
		}
		w.once(syntax.Diagnostic{
			Pos: at, Severity: syntax.Warning, Code: "plan/special",
			Message: fmt.Sprintf("%s holds %q, which model %s reads as a special token: it can end the message and speak in another role", what, s.Token, w.cell.Model.Name),
			Help:    "take it out of the text, unless that is what is tested",
		})
	}
}
