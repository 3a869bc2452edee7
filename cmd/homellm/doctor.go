package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine/crash"
	"homellm/engine/doctor"
	"homellm/engine/exit"
	"homellm/engine/listing"
	"homellm/engine/target"
)

type doctorFlags struct {
	libraryFlags
	addressFlags
	model string
	shown lookFlags
}

func newDoctor(p process) *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at servers and machine, and say what can be measured",
		Long: `doctor finds out what answers, what it is, what can be measured of it and from
which source, and what about the machine makes numbers worse than necessary.
It sends a few short requests to a server that is ready. Every problem comes with
the command to type next. It exits with 0 whether or not it found problems, and with
5 if no server was found.`,
		Example: `  homellm doctor
  homellm doctor --url http://127.0.0.1:8000/v1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return examine(c.Context(), p, f)
		},
	}
	f.libraryFlags.add(c)
	f.shown.add(c, listing.Doctor)
	f.addressFlags.add(c, "address of the server to look at, instead of this machine's usual ports")
	c.Flags().StringVar(&f.model, "model", "", "model to send the test requests to, where a server has several")
	return c
}

func examine(ctx context.Context, p process, f doctorFlags) error {
	if err := f.shown.check(); err != nil {
		return err
	}
	lib, err := f.load(p)
	if err != nil {
		return err
	}
	key, err := f.key(p)
	if err != nil {
		return err
	}
	checkup := listing.NewCheckup(p.stdout, f.shown.format)
	d := &doctor.Doctor{
		Report: checkup, Library: lib, Model: f.model, Key: key,
		Records: target.Records(p.stateDir), ModelDir: p.downloads().Dir,
		Waiting: func(what string) func() {
			timer := time.AfterFunc(tellAfter, crash.Guarded(func() { p.say("waiting for %s", what) }))
			return func() { timer.Stop() }
		},
	}
	err = d.Examine(ctx, f.url)
	switch bad := (*doctor.BadAddress)(nil); {
	case errors.As(err, &bad):
		return exit.Errorf(exit.Usage, "write it like http://127.0.0.1:8000/v1", "--url: %w", bad)
	case errors.Is(err, doctor.ErrNothing):
		if err := unread(f.shown.write(p.stdout, checkup)); err != nil {
			return err
		}
		return exit.With(exit.Environment)
	case ctx.Err() != nil:
		return err
	case err != nil:
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	return f.shown.write(p.stdout, checkup)
}
