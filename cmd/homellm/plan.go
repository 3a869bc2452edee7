package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/judge"
	"homellm/engine/target"
	"homellm/engine/text"
)

type planFlags struct {
	selection
	libraryFlags
	addressFlags
	resolved bool
	format   string
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
	c.MarkFlagsMutuallyExclusive("url", "server")
	c.Flags().BoolVar(&f.resolved, "resolved", false, "show profiles and requests with every default filled in")
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	return c
}

func plan(ctx context.Context, p process, args []string, f planFlags) error {
	p.stdout = plain{p.stdout}
	if f.format != "text" && f.format != "json" {
		return exit.Errorf(exit.Usage, "text or json", "unknown format %q", f.format)
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
	for _, one := range plans {
		if err := writePlan(p, one, f); err != nil {
			return exit.Errorf(exit.Environment, "", "printing the plan: %w", err)
		}
	}
	if cells, skipped := cellsOf(plans); cells > 0 && skipped == cells {
		return exit.Errorf(exit.Environment, "what would help is said above", "nothing of it can be played: %s skipped",
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

func writePlan(p process, one *dsl.Plan, f planFlags) error {
	switch {
	case f.format == "json" && f.resolved:
		return encode(p.stdout, map[string]any{"plan": one, "resolved": one.Resolved()})
	case f.format == "json":
		return encode(p.stdout, one)
	}
	if err := one.WriteText(p.stdout); err != nil || !f.resolved {
		return err
	}
	if _, err := fmt.Fprintln(p.stdout); err != nil {
		return err
	}
	return one.WriteResolved(p.stdout)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
