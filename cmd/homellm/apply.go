package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/event"
	"homellm/engine/host"
	"homellm/engine/metrics"
	"homellm/engine/report"
)

type applyFlags struct {
	selection
	libraryFlags
	url      string
	out      string
	format   string
	failFast bool
	quiet    bool
	keepRaw  bool
}

func newApply(p process) *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use:   "apply FILE|DIR|NAME...",
		Short: "Play scenarios against a server, measure, judge",
		Long: `apply plays scenarios and exits with the verdict. Arguments are scenario files,
folders of them, or names of shipped scenarios.

Which server runs: --url, else --server, else the scenario's own choice, else a
server found on this machine's usual ports, else the embedded simulator, which
says so everywhere its numbers are shown.`,
		Example: `  homellm apply scenarios/rag-long.yaml
  homellm apply rag-long --url http://127.0.0.1:8000/v1 --model qwen2.5-3b
  homellm apply scenarios/ --include-tags rag --repeats 10`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			return apply(c.Context(), p, args, f)
		},
	}
	f.selection.add(c)
	f.libraryFlags.add(c)
	fl := c.Flags()
	fl.StringVar(&f.url, "url", "", "base URL of a running OpenAI-compatible server, such as http://127.0.0.1:8000/v1")
	fl.StringVar(&f.out, "out", "", "folder for the results (default results/<time>-<scenario>-<id>)")
	fl.StringVar(&f.format, "format", "table", "what to print: "+strings.Join(formatNames(), ", "))
	fl.BoolVar(&f.failFast, "fail-fast", false, "stop at the first failed gate")
	fl.BoolVar(&f.quiet, "quiet", false, "print nothing but the report")
	fl.BoolVar(&f.keepRaw, "keep-raw", false, "keep the raw bytes of the slowest turn beside the results")
	c.MarkFlagsMutuallyExclusive("url", "server")
	return c
}

// apply plans every file before it starts the first server, then plays them one after another.
// The exit code is the gravest of their outcomes.
func apply(ctx context.Context, p process, args []string, f applyFlags) error {
	format, err := formatNamed(f.format)
	if err != nil {
		return err
	}
	files, err := findScenarios(args)
	if err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	plans, servers, err := planAll(ctx, p, lib, files, f)
	if err != nil {
		return err
	}
	worst := exitPass
	for _, plan := range plans {
		code, err := play(ctx, p, plan, servers, f, format, len(plans) > 1)
		if err != nil {
			return err
		}
		worst = metrics.Worst(worst, code)
		if ctx.Err() != nil || (f.failFast && code != exitPass) {
			break
		}
	}
	if worst != exitPass {
		return &failure{code: worst}
	}
	return nil
}

// planAll decides which server runs and plans all files; every problem of every file is told at
// once.
func planAll(ctx context.Context, p process, lib *dsl.Library, files []dsl.File, f applyFlags) ([]*dsl.Plan, *servers, error) {
	opt, err := f.options(lib)
	if err != nil {
		return nil, nil, err
	}
	servers := &servers{process: p, lib: lib, quiet: f.quiet}
	if err := servers.choose(ctx, f.url, &opt); err != nil {
		return nil, nil, err
	}
	var plans []*dsl.Plan
	var all dsl.Diagnostics
	for _, file := range files {
		plan, ds := dsl.Load(file, lib, engine.Vocabulary(), opt)
		all = append(all, ds...)
		plans = append(plans, plan)
	}
	if all.Errors() {
		return nil, nil, all
	}
	if len(all) > 0 && !f.quiet {
		if err := all.WriteText(p.stderr); err != nil {
			return nil, nil, err
		}
	}
	return plans, servers, nil
}

// play runs one plan into its own results folder and prints its report.
func play(ctx context.Context, p process, plan *dsl.Plan, servers *servers, f applyFlags, format report.Format, several bool) (int, error) {
	id, err := newID()
	if err != nil {
		return 0, err
	}
	started := time.Now()
	dir := f.out
	switch {
	case dir == "":
		dir = filepath.Join("results", started.UTC().Format("20060102T150405Z")+"-"+plan.Name+"-"+id[:4])
	case several:
		dir = filepath.Join(dir, plan.Name)
	}
	journal, err := createResults(dir)
	if err != nil {
		return 0, err
	}
	defer journal.Close()

	machine := host.OpenTelemetry(ctx, host.Options{})
	facts := machine.Inspect(ctx)
	machine.Close()

	fold := &metrics.Run{}
	bar := startProgress(p, plan, f.quiet)
	opt := engine.Options{
		Header: event.RunStarted{ID: id, Started: started.UTC(), Homellm: version(), Host: facts, Options: f.changed()},
		Keep:   journal.Append, Fold: fold, Open: servers.open, FailFast: f.failFast, Progress: bar.show,
	}
	if f.keepRaw {
		opt.KeepRaw = func(name string, raw []byte) error {
			return os.WriteFile(filepath.Join(dir, name), raw, 0o644)
		}
	}
	err = engine.Run(ctx, plan, opt)
	bar.stop()
	if err != nil {
		return 0, failf(exitEnvironment, "what was kept is in "+dir, "%w", err)
	}
	if err := report.WriteDir(dir, fold); err != nil {
		return 0, failf(exitEnvironment, "the journal is complete: homellm report "+dir, "writing the reports: %w", err)
	}
	if err := format.Write(p.stdout, fold, p.reportOptions(dir)); err != nil {
		return 0, failf(exitEnvironment, "the results are in "+dir, "printing the report: %w", err)
	}
	_, code, _ := fold.Outcome()
	return code, nil
}

// createResults makes the results folder and its journal before anything is sent. An existing
// run is never overwritten.
func createResults(dir string) (*event.Journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, failf(exitEnvironment, "choose another folder with --out", "making the results folder: %w", err)
	}
	journal, err := event.Create(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return nil, failf(exitEnvironment, "choose another folder with --out", "creating the journal: %w", err)
	}
	return journal, nil
}

// changed lists the flags that changed the plan, for the record.
func (f applyFlags) changed() []string {
	var out []string
	add := func(name, value string) {
		if value != "" && value != "0" {
			out = append(out, "--"+name+"="+value)
		}
	}
	add("server", strings.Join(f.servers, ","))
	add("model", f.model)
	add("repeats", fmt.Sprint(f.repeats))
	add("context-size", fmt.Sprint(f.contextSize))
	add("max-conversations", fmt.Sprint(f.maxConversations))
	add("include-tags", strings.Join(f.include, ","))
	add("exclude-tags", strings.Join(f.exclude, ","))
	for _, kv := range f.vars {
		add("var", kv)
	}
	return out
}

func newID() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("making a run id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
