package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/engine/server"
	"homellm/engine/starter"
	"homellm/engine/text"
)

func newInit(p process) *cobra.Command {
	var address string
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a scenario, gates and a CI job to start from",
		Long: `init asks nothing. It looks for a server on this machine's usual ports and writes
what works with it at once: a commented scenario, gates, a job for GitHub Actions,
and the schemas that editors check these files with. Where it finds none, the files
are for the embedded simulator. A file that is there already is left as it is.`,
		Example: `  homellm init
  homellm init ../llm --url http://127.0.0.1:8000/v1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return initialise(c.Context(), p, dir, address)
		},
	}
	c.Flags().StringVar(&address, "url", "",
		"base URL of the server to write for, instead of one on this machine's usual ports")
	return c
}

// initialise writes the first files for the server that it finds, and says what to type next.
func initialise(ctx context.Context, p process, dir, address string) error {
	found, err := answering(ctx, address)
	if err != nil {
		return err
	}
	out := plain{p.stdout}
	if found.Label == "" {
		fmt.Fprintln(out, "no server was found, so the embedded simulator will answer: homellm doctor looks closer")
	} else {
		fmt.Fprintf(out, "found %s at %s\n", text.OneLine(found.Label), found.URL)
	}
	written, err := starter.Write(dir, found)
	for _, f := range written {
		said := "wrote"
		if f.Kept {
			said = "kept "
		}
		fmt.Fprintln(out, said, filepath.Join(dir, filepath.FromSlash(f.Path)))
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "next, twice, and the second run says what moved since the first:")
	if dir != "." {
		fmt.Fprintln(out, "  cd", text.Quote(dir))
	}
	fmt.Fprintf(out, "  homellm apply %s%s\n", starter.Scenario, starter.Line(found.Apply()))
	return nil
}

// answering returns the server at an address, or else the first ready one on the usual ports. If there is none, the
// result has no label.
func answering(ctx context.Context, address string) (starter.Found, error) {
	if address == "" {
		all, err := server.Scan(ctx)
		if err != nil {
			return starter.Found{}, err
		}
		for _, f := range all {
			if f.State == server.Ready {
				return starter.For(f), nil
			}
		}
		return starter.Found{}, nil
	}
	hc := server.NewHTTPClient("")
	defer hc.CloseIdleConnections()
	f, err := server.Probe(ctx, address, hc)
	if err != nil {
		return starter.Found{}, exit.Errorf(exit.Usage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
	}
	if f.State != server.Ready {
		return starter.Found{}, exit.Errorf(exit.Environment, "homellm doctor --url "+text.Quote(address)+" looks closer",
			"no server is ready at %s: %s", f.URL, f.Detail)
	}
	found := starter.For(f)
	found.Named = true
	return found, nil
}
