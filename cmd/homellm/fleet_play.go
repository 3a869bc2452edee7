//go:build fleet

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine"
	"homellm/engine/crash"
	"homellm/engine/exit"
	"homellm/engine/filelock"
	"homellm/engine/fleet"
	"homellm/engine/metrics"
	"homellm/engine/report"
)

// newFleetPlay is the command by which a worker has a job played in a process of its own. It is not for users.
func newFleetPlay(p process) *cobra.Command {
	var lib libraryFlags
	c := &cobra.Command{
		Use:    "play-job DIR",
		Short:  "Play a job that comes on standard input, and end when that ends",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in := bufio.NewReader(p.stdin)
			line, err := in.ReadBytes('\n')
			var order playOrder
			if err == nil {
				err = json.Unmarshal(line, &order)
			}
			if err != nil {
				return exit.Errorf(exit.Usage, "", "a job is expected on standard input: %w", err)
			}
			ctx, end := context.WithCancelCause(c.Context())
			crash.Go(func() {
				_, _ = io.Copy(io.Discard, in) // the worker says nothing more: this is its end
				end(engine.Interrupted{Signal: "SIGTERM"})
			})
			return playJob(ctx, p, order, args[0], lib)
		},
	}
	lib.add(c)
	return c
}

// The longest times between two signs of life, beside the time-out of a turn.
const (
	turnSlack   = time.Minute
	waitingMost = time.Hour // a server starts, a model is loaded
)

// playOrder is what a worker tells the process that plays a job.
type playOrder struct {
	Job fleet.Job `json:"job"`
	Box fleet.Box `json:"box"` // this machine
}

// playJob plays a job in its folder. What becomes of it is in the journal there.
func playJob(ctx context.Context, p process, order playOrder, dir string, files libraryFlags) error {
	job := order.Job
	lib, err := files.load(p)
	if err != nil {
		return err
	}
	out := p.stdout
	within := func(d time.Duration) { fmt.Fprintln(out, d.Milliseconds()) }
	within(waitingMost)
	p.stdout = io.Discard
	alone, err := p.onlyPlayer(ctx, filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer alone()
	o := job.Order
	f := applyFlags{
		libraryFlags: files, out: filepath.Join(dir, "results"), quiet: true, failFast: o.FailFast, noSim: o.NoSim,
		alternate: o.Alternating,
		selection: selection{servers: o.Servers, model: o.Model, repeats: count(o.Repeats),
			contextSize: count(o.ContextSize), maxConversations: count(o.MaxConversations), include: o.IncludeTags,
			exclude: o.ExcludeTags, vars: o.Vars, exactTokens: o.ExactTokens},
	}
	f.fleet.box = order.Box.Name
	f.fleet.told = func(now engine.Progress) {
		if now.Waiting != "" {
			within(waitingMost)
			return
		}
		within(o.Longest + turnSlack)
	}
	file, err := placedScenario(o, filepath.Join(dir, "files"))
	if err != nil {
		return err
	}
	plans, choice, err := planAll(ctx, p, lib, []dsl.File{file}, f)
	if err != nil {
		return err
	}
	plan := plans[0]
	plan.Cells = slices.DeleteFunc(plan.Cells, func(c *dsl.Cell) bool {
		return !slices.ContainsFunc(job.Cells, func(of fleet.Cell) bool { return slices.Equal(of.Labels, c.Labels) })
	})
	for _, c := range plan.Cells {
		// The coordinator may have known this box with other labels, before its worker was started anew.
		if why := c.Scenario.Requires.Unmet(order.Box.Fact); why != "" {
			return exit.Errorf(exit.Environment, "", "box %s cannot play %s: %s", order.Box.Name, c, why)
		}
	}
	plan.Overall = nil // the run judges them, which has all cells
	if len(plan.Cells) != len(job.Cells) {
		return exit.Errorf(exit.Environment, "use the same version of homellm everywhere",
			"%s has %d of the %d cells of the job here", o.File, len(plan.Cells), len(job.Cells))
	}
	silent := report.Format{Write: func(io.Writer, *metrics.Run, report.Options) error { return nil }}
	_, err = play(ctx, p, plan, choice, f, silent, false)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// onlyPlayer waits until the process that played the job before has ended. It outlives a worker that was killed for as
// long as its server takes to stop, and would share the accelerator with this one. If it was killed too, its server is
// still there, and is ended.
func (p process) onlyPlayer(ctx context.Context, box string) (func(), error) {
	f, err := os.OpenFile(filepath.Join(box, "player"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; {
		err := filelock.Lock(f)
		if err == nil {
			break
		}
		if !errors.Is(err, filelock.ErrLocked) || time.Since(begun) > 2*endGrace {
			pid, _ := io.ReadAll(f) // to be named, if it can be
			_ = f.Close()           // nothing was written
			return nil, exit.Errorf(exit.Environment, "", "process %s, which played a job of this box before, does not end: %w",
				strings.TrimSpace(string(pid)), err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close() // nothing was written
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
	before := make([]byte, 20)
	n, _ := f.ReadAt(before, 0) // fewer bytes than that are no error
	if pid, err := strconv.Atoi(strings.TrimSpace(string(before[:n]))); err == nil {
		p.endServersOf(pid)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		_ = f.Close() // the error says more
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// placedScenario is the scenario of a job, whose files are below a folder.
func placedScenario(o fleet.Order, dir string) (dsl.File, error) {
	data, err := os.ReadFile(filepath.Join(dir, scenarioName))
	if err != nil {
		return dsl.File{}, err
	}
	documents := filepath.Join(dir, documentsName)
	if err := os.MkdirAll(documents, 0o700); err != nil {
		return dsl.File{}, err
	}
	root, err := os.OpenRoot(documents) // closed at the end of the process
	if err != nil {
		return dsl.File{}, err
	}
	return dsl.File{Name: o.File, Data: data, Dir: root.FS()}, nil
}
