package main

import (
	"context"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/judge"
	"homellm/engine/listing"
	"homellm/engine/target"
	"homellm/engine/text"
)

type planFlags struct {
	selection
	libraryFlags
	addressFlags
	fleet    fleetFlags
	resolved bool
	shown    lookFlags
}

func newPlan(p process) *cobra.Command {
	var f planFlags
	c := &cobra.Command{
		Use:   "plan FILE|DIR|NAME...",
		Short: "Show what apply would do, without sending anything",
		Long: `plan expands the matrix and plays every conversation dry: prompt sizes, phases,
what a prefix cache could serve at best, what every assertion rests on, and what
will be skipped or unsupported, with the reason. It exits with 5 if nothing is left.`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			return plan(c.Context(), p, args, f)
		},
	}
	f.selection.add(c)
	f.libraryFlags.add(c)
	f.addressFlags.add(c, "address of a running server to plan for: its context and cache blocks are asked for")
	f.fleet.add(c, "url")
	c.MarkFlagsMutuallyExclusive("url", "server")
	c.Flags().BoolVar(&f.resolved, "resolved", false, "show profiles and requests with every default filled in")
	f.shown.add(c, listing.Planned)
	return c
}

func plan(ctx context.Context, p process, args []string, f planFlags) error {
	p.stdout = plain{p.stdout}
	if err := f.shown.check(); err != nil {
		return err
	}
	named, lib, opt, err := readOnly(p, args, f.selection, f.libraryFlags)
	if err != nil {
		return err
	}
	where, err := f.secret()
	if err != nil {
		return err
	}
	if f.url != "" {
		choice := &target.Choice{Means: p.means(true), Library: lib, Key: where}
		if err := choice.Choose(ctx, f.url, &opt); err != nil {
			return err
		}
	}
	leave, err := f.enter(ctx, p, &f.fleet, named)
	if err != nil {
		return err
	}
	defer leave()
	if f.fleet.asked() {
		opt.DefaultServer = "" // servers are found on the boxes
	}
	f.fleet.place(ctx, &opt, nil)
	plans, out, all := dsl.LoadAll(named, lib, judge.Vocabulary(), opt)
	if all.Errors() {
		return all
	}
	if err := all.WriteText(p.stderr); err != nil {
		return err
	}
	if err := p.leftOut(out, len(plans), false); err != nil {
		return err
	}
	if f.fleet.asked() {
		if err := f.fleet.fit(plans, func(string, ...any) {}); err != nil { // the plan says what is skipped
			return err
		}
	}
	if err := unread(f.shown.write(p.stdout, listing.OfPlans(plans, out, f.resolved, f.fleet.jobs))); err != nil {
		return err
	}
	if cells, skipped := cellsOf(plans); cells > 0 && skipped == cells {
		return exit.Errorf(exit.Environment, "the reasons are above", "nothing of it can be played: %s skipped",
			text.Plural(skipped, "cell"))
	}
	return nil
}

func cellsOf(plans []*dsl.Plan) (cells, skipped int) {
	for _, p := range plans {
		cells, skipped = cells+len(p.Cells), skipped+p.Skipped()
	}
	return cells, skipped
}
