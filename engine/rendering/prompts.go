package rendering

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/model"
	"homellm/engine/prompt"
	"homellm/engine/target"
	"homellm/engine/text"
)

// Prompt is what a model is sent, before it is rendered.
type Prompt struct {
	Title    string // which one it is
	Messages []model.Message
}

// Part says which conversations of a scenario are wanted, and which turn of them; the zero value is the last of all.
type Part struct{ Conversation, Step string }

// Prompts reads what is to be rendered: a JSON list of messages from a file or, for "-", from in, or a scenario, of
// which the last prompt of every wanted conversation is taken.
func Prompts(file string, in io.Reader, all *prompt.Templates, lib *dsl.Library, part Part) ([]Prompt, error) {
	data, err := messagesIn(file, in)
	if err != nil {
		return nil, err
	}
	if data != nil {
		var messages []model.Message
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&messages); err != nil {
			return nil, exit.Errorf(exit.Invalid, `a list such as [{"role": "user", "content": "Hello"}], or a scenario`,
				"%s: %w", file, err)
		}
		return []Prompt{{fmt.Sprintf("%s, %s", file, text.Plural(len(messages), "message")), messages}}, nil
	}
	named, err := files.Scenario(file)
	if err != nil {
		return nil, err
	}
	var out []Prompt
	for _, one := range named {
		opt := all.PlanOptions(nil)
		opt.DefaultServer = target.Simulator
		plan, ds := dsl.Load(one, lib, judge.Vocabulary(), opt)
		if plan == nil {
			return nil, ds
		}
		out = append(out, part.last(plan.Cells[0])...)
	}
	if len(out) == 0 {
		return nil, exit.Errorf(exit.Usage, "homellm plan "+file+" lists them", "%s has no such conversation or step", file)
	}
	return out, nil
}

// messagesIn returns the text of a JSON file, nil if the argument is something else.
func messagesIn(file string, in io.Reader) ([]byte, error) {
	if file == "-" {
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, exit.Errorf(exit.Usage, "", "reading standard input: %w", err)
		}
		return data, nil
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "", "%w", err)
	}
	if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '[' {
		return text, nil
	}
	return nil, nil
}

// standIn is shown in place of the model's reply in a live conversation.
const standIn = "(reply)"

// retrieved is shown in place of the chunks that a retrieval brings.
const retrieved = "(what is retrieved)"

// last plays the conversations of a cell without a model.
func (p Part) last(cell *dsl.Cell) (out []Prompt) {
	for _, c := range cell.Scenario.Conversations {
		if p.Conversation != "" && c.ID != p.Conversation {
			continue
		}
		h := c.Begin()
		h.Retrieve = func(_ string, a dsl.Lookup) ([]*dsl.Document, error) {
			return []*dsl.Document{{ID: a.From, Text: retrieved}}, nil
		}
		var last Prompt
		for _, step := range c.Steps {
			if step.Do == nil {
				continue
			}
			err := step.Play(h, func(t dsl.Turn) (dsl.Reply, error) {
				if p.Step == "" || step.ID == p.Step {
					last = Prompt{fmt.Sprintf("%s, step %s", c.Name(), step.ID), t.Messages}
				}
				if kept := t.Recorded(); kept.Text != "" || kept.Calls != nil {
					return kept, nil
				}
				return dsl.Reply{Text: standIn}, nil
			})
			if err != nil {
				break
			}
		}
		if last.Messages != nil {
			out = append(out, last)
		}
	}
	return out
}

// Render makes the text that the model reads. The hint of the error says what the model would take instead.
func (c Choice) Render(p Prompt, opt model.Options) (string, error) {
	rendered, err := c.Template.Render(p.Messages, opt)
	if err != nil {
		return "", exit.Errorf(exit.Invalid, refusalHint(err), "%s: %w", p.Title, err)
	}
	return rendered.String(), nil
}

func refusalHint(err error) string {
	refusal, ok := errors.AsType[*model.Refusal](err)
	if !ok || refusal.Try == "" {
		return "the model cannot take these messages in this order"
	}
	return "use --system-placement " + strings.TrimPrefix(refusal.Try, "system_placement: ") + " here, and " +
		refusal.Try + " in the server's profile"
}
