package main

import (
	"context"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/judge"
	"homellm/engine/target"
)

// check reads the files before a server is looked for, so that nothing is sent for an invalid file. For a file that
// names no server it assumes the simulator.
func check(named []dsl.File, lib *dsl.Library, opt dsl.Options) (all syntax.Diagnostics) {
	opt.DefaultServer = target.Simulator
	return dsl.CheckAll(named, lib, judge.Vocabulary(), opt)
}

// leftOut reports what options exclude. It is an error if nothing is left.
func (p process) leftOut(out []dsl.LeftOut, left int, quiet bool) error {
	if !quiet || left == 0 {
		if err := dsl.WriteLeftOut(plain{p.stderr}, "homellm: ", out); err != nil {
			return err
		}
	}
	if left == 0 {
		return exit.Errorf(exit.Environment, "give a larger --context-size", "nothing is left to play")
	}
	return nil
}

// planAll checks all files, decides which server runs, and plans them. It reports all problems of all files at once.
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
	f.fleet.place(ctx, &opt, f.begun)
	if bad := check(named, lib, opt); bad.Errors() {
		return nil, nil, bad
	}
	choice := &target.Choice{Means: p.means(f.quiet), Library: lib, NoSim: f.noSim, Key: where, Elsewhere: f.fleet.asked()}
	if err := choice.Choose(ctx, f.url, &opt); err != nil {
		return nil, nil, err
	}
	plans, out, all := dsl.LoadAll(named, lib, judge.Vocabulary(), opt)
	if all.Errors() {
		return nil, nil, all
	}
	if err := p.leftOut(out, len(plans), f.quiet); err != nil {
		return nil, nil, err
	}
	if f.alternate {
		for _, plan := range plans {
			plan.Alternate()
		}
	}
	if f.fleet.asked() {
		say := p.say
		if f.quiet {
			say = func(string, ...any) {}
		}
		if err := f.fleet.fit(plans, say); err != nil {
			return nil, nil, err
		}
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

// enter connects to the fleet that is to play, if one is. The returned function ends the connection.
func (f selection) enter(ctx context.Context, p process, on *fleetFlags, named []dsl.File) (leave func(), err error) {
	if !on.asked() {
		return func() {}, nil
	}
	if f.maxConversations > 0 && len(named) > 1 {
		return nil, exit.Errorf(exit.Usage, "play them one after another",
			"--max-conversations counts over all scenarios, and each box plays one")
	}
	return on.open(ctx, p, named)
}
