package main

import (
	"context"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/judge"
	"homellm/engine/target"
)

// check reads the files before a server is looked for, so that nothing is sent for the sake of an
// invalid one. Where a file names no server, the simulator is assumed.
func check(named []dsl.File, lib *dsl.Library, opt dsl.Options) (all syntax.Diagnostics) {
	opt.DefaultServer = target.Simulator
	for _, file := range named {
		all = append(all, dsl.Check(file, lib, judge.Vocabulary(), opt)...)
	}
	return all
}

// planAll checks all files, decides which server runs, and plans them; every problem of every file
// is told at once.
func planAll(
	ctx context.Context,
	p process,
	lib *dsl.Library,
	named []dsl.File,
	f applyFlags,
) ([]*dsl.Plan, *target.Choice, error) {
	opt, err := f.options(p, lib)
	if err != nil {
		return nil, nil, err
	}
	where, err := f.secret()
	if err != nil {
		return nil, nil, err
	}
	if bad := check(named, lib, opt); bad.Errors() {
		return nil, nil, bad
	}
	choice := &target.Choice{Means: p.means(f.quiet), Library: lib, NoSim: f.noSim, Key: where}
	if err := choice.Choose(ctx, f.url, &opt); err != nil {
		return nil, nil, err
	}
	var plans []*dsl.Plan
	var all syntax.Diagnostics
	for _, file := range named {
		plan, ds := dsl.Load(file, lib, judge.Vocabulary(), opt)
		all = append(all, ds...)
		plans = append(plans, plan)
	}
	if all.Errors() {
		return nil, nil, all
	}
	for _, plan := range plans {
		for _, cell := range plan.Cells {
			if err := choice.Allows(cell); err != nil {
				return nil, nil, err
			}
		}
	}
	if len(all) > 0 && !f.quiet {
		if err := all.WriteText(p.stderr); err != nil {
			return nil, nil, err
		}
	}
	return plans, choice, nil
}
