package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/model"
	"homellm/engine/prompt"
	"homellm/engine/target"
	"homellm/engine/text"
)

type renderFlags struct {
	libraryFlags
	raw          bool
	conversation string
	step         string
	placement    string
	noThink      bool
	closed       bool
}

func newTemplateRender(p process) *cobra.Command {
	var f renderFlags
	c := &cobra.Command{
		Use:   "render MODEL FILE",
		Short: "Show a conversation as the model sees it",
		Long: `render makes the prompt of a conversation with the chat template of a model. FILE is
a scenario, by its file or its name, or a JSON list of {"role", "content"}; - reads
the list from standard input. Of a scenario the last prompt of every conversation
is shown, with (reply) for what the model would have said.

Special tokens are shown between ⟦ and ⟧; with --raw exactly the prompt's bytes are
written and nothing else.`,
		Example: `  homellm template render qwen2.5-3b simple-qa
  homellm template render gemma-3-4b messages.json --raw | sha256sum`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeModelThenScenario,
		RunE: func(_ *cobra.Command, args []string) error {
			return templateRender(p, args[0], args[1], f)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&f.raw, "raw", false, "write the prompt's bytes and nothing else")
	c.Flags().StringVar(&f.conversation, "conversation", "", "conversation of the scenario, by its id")
	c.Flags().StringVar(&f.step, "step", "", "step of the scenario whose last prompt is shown, by its id")
	c.Flags().StringVar(&f.placement, "system-placement", string(model.PlaceNative),
		"native, merge or first_user: see system_placement in docs/models.md")
	c.Flags().BoolVar(&f.noThink, "no-think", false, "switch thinking off, where the template knows it")
	c.Flags().BoolVar(&f.closed, "closed", false, "ask for no reply: render the conversation as it stands")
	return c
}

func completeModelThenScenario(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return completeModels(c, args, typed)
	}
	return completeScenarios(c, args, typed)
}

// shownPrompt is one prompt to render, and which it is.
type shownPrompt struct {
	title    string
	messages []model.Message
}

func templateRender(p process, name, file string, f renderFlags) error {
	placement := model.SystemPlacement(f.placement)
	if !slices.Contains(model.Placements, placement) {
		return exit.Errorf(exit.Usage, "native, merge or first_user", "--system-placement %q", f.placement)
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	all, t, m, err := templateOf(p, lib, name)
	if err != nil {
		return err
	}
	prompts, err := promptsOf(p, lib, file, f)
	if err != nil {
		return err
	}
	if f.raw && len(prompts) != 1 {
		return exit.Errorf(exit.Usage, "choose one with --conversation",
			"--raw writes one prompt, and %s has %d conversations",
			file, len(prompts))
	}
	opt := model.Options{Placement: placement, NoThink: f.noThink, Closed: f.closed}
	for i, one := range prompts {
		prompt, err := t.Render(one.messages, opt)
		if err != nil {
			return exit.Errorf(exit.Invalid, refusalHint(err), "%s: %w", one.title, err)
		}
		if f.raw {
			_, err = io.WriteString(p.stdout, prompt.String())
			return err
		}
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		if err := showPrompt(p, all, t, m, one, prompt.String()); err != nil {
			return err
		}
	}
	return nil
}

func refusalHint(err error) string {
	refusal, ok := errors.AsType[*model.Refusal](err)
	if !ok || refusal.Try == "" {
		return "the model cannot take these messages in this order"
	}
	return "use --system-placement " + strings.TrimPrefix(refusal.Try, "system_placement: ") + " here, and " +
		refusal.Try + " in the server's profile"
}

// showPrompt prints a prompt with its special tokens marked.
func showPrompt(p process, all *prompt.Templates, t *model.Template, m *dsl.Model, one shownPrompt,
	prompt string) error {
	count, err := all.Count(m, prompt, nil)
	if err != nil {
		return exit.Errorf(exit.Bug, "", "counting tokens: %w", err)
	}
	w := plain{p.stdout}
	fmt.Fprintf(w, "# %s · template %s · %s", one.title, t.Name(), count)
	if stops := t.Stop(); len(stops) > 0 {
		fmt.Fprintf(w, " · ends at %s", strings.Join(stops, " "))
	}
	fmt.Fprintln(w)
	for _, piece := range t.Split(prompt) {
		text := piece.Text
		if piece.Special {
			text = "⟦" + text + "⟧"
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	if !strings.HasSuffix(prompt, "\n") {
		fmt.Fprintln(w, "↤")
	}
	for _, s := range t.Suspects(one.messages) {
		p.say("message %d (%s) holds %q at byte %d, which the model reads as a special token",
			s.Message+1, one.messages[s.Message].Role, s.Token, s.Byte)
	}
	return nil
}

// promptsOf reads what is to be rendered.
func promptsOf(p process, lib *dsl.Library, file string, f renderFlags) ([]shownPrompt, error) {
	data, err := readMessages(p, file)
	if err != nil {
		return nil, err
	}
	if data != nil {
		var messages []model.Message
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&messages); err != nil {
			return nil, exit.Errorf(exit.Invalid, `a list such as [{"role": "user", "content": "Hello"}], or a scenario`,
				"%s: %w",
				file, err)
		}
		return []shownPrompt{{title: fmt.Sprintf("%s, %s", file, text.Plural(len(messages), "message")),
			messages: messages}}, nil
	}
	named, err := files.Scenario(file)
	if err != nil {
		return nil, err
	}
	var out []shownPrompt
	for _, one := range named {
		opt := p.templates(lib).PlanOptions(nil)
		opt.DefaultServer = target.Simulator
		plan, ds := dsl.Load(one, lib, judge.Vocabulary(), opt)
		if plan == nil {
			return nil, ds
		}
		out = append(out, lastPrompts(plan.Cells[0], f)...)
	}
	if len(out) == 0 {
		return nil, exit.Errorf(exit.Usage, "homellm plan "+file+" lists them", "%s has no such conversation or step", file)
	}
	return out, nil
}

// readMessages returns the text of a JSON file, nil if the argument is something else.
func readMessages(p process, file string) ([]byte, error) {
	if file == "-" {
		data, err := io.ReadAll(p.stdin)
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

// standIn is shown where a live conversation would have the model's reply.
const standIn = "(reply)"

// lastPrompts plays the conversations of a cell without a model.
func lastPrompts(cell *dsl.Cell, f renderFlags) []shownPrompt {
	var out []shownPrompt
	for _, c := range cell.Scenario.Conversations {
		if f.conversation != "" && c.ID != f.conversation {
			continue
		}
		h := dsl.NewHistory(c.System)
		var last shownPrompt
		for _, step := range c.Steps {
			if step.Do == nil {
				continue
			}
			err := step.Do.Play(h, func(t dsl.Turn) (string, error) {
				if f.step == "" || step.ID == f.step {
					last = shownPrompt{title: fmt.Sprintf("%s, step %s", c.ID, step.ID), messages: t.Messages}
				}
				if t.Reply != "" {
					return t.Reply, nil
				}
				return standIn, nil
			})
			if err != nil {
				break
			}
		}
		if last.messages != nil {
			out = append(out, last)
		}
	}
	return out
}
