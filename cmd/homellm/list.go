package main

import (
	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/listing"
)

type listFlags struct {
	selection
	libraryFlags
	shown lookFlags
}

func newList(p process) *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use:   "list [FILE|DIR|NAME...]",
		Short: "List conversations with their sizes and tags",
		Long: `list shows every conversation of the named scenarios, or of the shipped ones:
its turns, the size its author declares and the size counted at its end (every
prompt and reply), and whether it fits the context.`,
		ValidArgsFunction: completeScenarios,
		RunE: func(_ *cobra.Command, args []string) error {
			return list(p, args, f)
		},
	}
	f.selection.add(c)
	f.libraryFlags.add(c)
	f.shown.add(c, listing.List)
	return c
}

func list(p process, args []string, f listFlags) error {
	if err := f.shown.check(); err != nil {
		return err
	}
	if len(args) == 0 {
		args = files.ShippedNames()
	}
	named, lib, opt, err := readOnly(p, args, f.selection, f.libraryFlags)
	if err != nil {
		return err
	}
	plans, out, all := dsl.LoadAll(named, lib, judge.Vocabulary(), opt)
	if all.Errors() {
		return all
	}
	for _, d := range all {
		if d.Code == "plan/tag" {
			p.say("%s", d.Message)
		}
	}
	return f.shown.write(plain{p.stdout}, listing.OfConversations(plans, out))
}
