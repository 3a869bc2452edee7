package main

import (
	"context"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"homellm/engine/secret"
)

// run runs one command line and returns its exit code.
//
// Every error is printed on stderr in one form: "homellm: what happened", then a line that says what to do next.
// Results go to stdout.
func run(ctx context.Context, p process, args []string) (code int) {
	out, errs := secret.NewWriter(p.stdout), secret.NewWriter(plain{p.stderr})
	p.stdout, p.stderr = out, &inTurn{w: errs}
	defer func() {
		_, _ = out.Close(), errs.Close() // the held part; the exit code is already decided
	}()
	defer func() {
		if r := recover(); r != nil {
			code = bug(p, r, debug.Stack())
		}
	}()
	root := newRoot(p)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return tell(p, err)
}

// commands is every command in the order of the help text.
var commands = []func(process) *cobra.Command{
	newInit, newApply, newAB, newTune, newCompare, newBaseline, newValidate, newPlan, newImport, newList, newReport,
	newResults, newHistory, newUI, newSim, newServe, newServers, newStop, newDoctor, newTemplate, newModels, newSchema,
	newExplain, newMan, newVersion,
}

func newRoot(p process) *cobra.Command {
	root := &cobra.Command{
		Use:   "homellm",
		Short: "Measure an LLM server at home and judge what changed",
		Long: `homellm plays declarative scenarios against an LLM server, measures every turn
(time to first token, decode speed, prefix-cache hits, …) and judges the
assertions of the scenario. The exit code tells the verdict.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.CompletionOptions.HiddenDefaultCmd = false
	for _, c := range slices.Concat(commands, fleetCommands) {
		root.AddCommand(c(p))
	}
	root.Version = version()
	root.SetVersionTemplate(versionLine())
	root.Flags().Bool("version", false, "print the version")
	root.SetFlagErrorFunc(flagError)
	plainArguments(root)
	commandsOnly(root)
	commandsInHelp(root)
	return root
}
