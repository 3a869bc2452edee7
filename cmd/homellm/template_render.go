package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/engine/model"
	"homellm/engine/rendering"
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

func templateRender(p process, name, file string, f renderFlags) error {
	placement := model.SystemPlacement(f.placement)
	if !slices.Contains(model.Placements, placement) {
		return exit.Errorf(exit.Usage, "native, merge or first_user", "--system-placement %q", f.placement)
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	all := p.templates(lib)
	choice, err := rendering.Choose(all, lib, name)
	if err != nil {
		return err
	}
	prompts, err := rendering.Prompts(file, p.stdin, all, lib, rendering.Part{Conversation: f.conversation, Step: f.step})
	if err != nil {
		return err
	}
	if f.raw && len(prompts) != 1 {
		return exit.Errorf(exit.Usage, "choose one with --conversation",
			"--raw writes one prompt, and %s has %d conversations", file, len(prompts))
	}
	opt := model.Options{Placement: placement, NoThink: f.noThink, Closed: f.closed}
	for i, one := range prompts {
		prompt, err := choice.Render(one, opt)
		if err != nil {
			return err
		}
		if f.raw {
			_, err = io.WriteString(p.stdout, prompt)
			return err
		}
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		if err := showPrompt(p, choice, one, prompt); err != nil {
			return err
		}
	}
	return nil
}

// showPrompt prints a prompt with its special tokens marked.
func showPrompt(p process, c rendering.Choice, one rendering.Prompt, prompt string) error {
	count, err := c.All.Count(c.Model, prompt, nil)
	if err != nil {
		return exit.Errorf(exit.Bug, "", "counting tokens: %w", err)
	}
	w := plain{p.stdout}
	fmt.Fprintf(w, "# %s · template %s · %s", one.Title, c.Template.Name(), count)
	if stops := c.Template.Stop(); len(stops) > 0 {
		fmt.Fprintf(w, " · ends at %s", strings.Join(stops, " "))
	}
	fmt.Fprintln(w)
	for _, piece := range c.Template.Split(prompt) {
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
	for _, s := range c.Template.Suspects(one.Messages) {
		p.say("message %d (%s) holds %q at byte %d, which the model reads as a special token",
			s.Message+1, one.Messages[s.Message].Role, s.Token, s.Byte)
	}
	return nil
}
