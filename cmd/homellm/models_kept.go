package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/catalog"
	"homellm/engine/exit"
	"homellm/engine/text"
)

func newModelsVerify(p process) *cobra.Command {
	var lib libraryFlags
	c := &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Read downloaded models again and compare them with their hashes",
		Long: `verify reads every file of the downloaded models, or of those named, and compares
it with the hash that the hub gave, and with that of the models file. A file that is
wrong is removed, so that the next pull fetches it anew.`,
		ValidArgsFunction: completeModels,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.catalog(lib)
			if err != nil {
				return err
			}
			return verify(cmd.Context(), p, c, args)
		},
	}
	lib.add(c)
	return c
}

func verify(ctx context.Context, p process, c *catalog.Catalog, names []string) error {
	var offers []catalog.Offer
	for _, name := range names {
		o, err := c.Find(name, "")
		if err != nil {
			return err
		}
		offers = append(offers, o.Siblings()...)
	}
	if len(names) == 0 {
		offers = c.Offers()
	}
	read, wrong, missing := 0, 0, 0
	err := c.Verify(ctx, offers, func(v catalog.Verified) {
		read, wrong, missing = read+len(v.Files), wrong+v.Wrong(), missing+len(v.Missing)
		showVerified(p.stdout, v)
	})
	switch {
	case err != nil:
		return err
	case wrong+missing > 0:
		return exit.Errorf(exit.Fail, "homellm models pull NAME fetches what is not there", "%s wrong, %d missing",
			text.Plural(wrong, "file"), missing)
	case read == 0 && len(names) > 0:
		return exit.Errorf(exit.Environment, "homellm models pull "+offers[0].Model.Name, "%s is not here",
			strings.Join(names, ", "))
	case read == 0:
		fmt.Fprintf(p.stdout, "no known model is in %s\n", text.Path(c.Cache.Dir))
	}
	return nil
}

func showVerified(w io.Writer, v catalog.Verified) {
	say := func(path, what string) { fmt.Fprintf(w, "%-28s %s: %s\n", v.What, path, what) }
	for _, f := range v.Files {
		if what := cmp.Or(f.Wrong, f.Unknown); what != "" {
			say(f.Path, what)
		}
	}
	for _, path := range v.Missing {
		say(path, "missing")
	}
	fmt.Fprintf(w, "%-28s %s checked\n", v.What, text.Plural(len(v.Files), "file"))
}

func newModelsRemove(p process) *cobra.Command {
	var lib libraryFlags
	var source string
	c := &cobra.Command{
		Use:               "rm NAME",
		Short:             "Delete a downloaded model",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeModels,
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.catalog(lib)
			if err != nil {
				return err
			}
			return remove(p, c, args[0], source)
		},
	}
	lib.add(c)
	c.Flags().StringVar(&source, "source", "", "delete only the repository of this source, such as gguf")
	return c
}

func remove(p process, c *catalog.Catalog, name, source string) error {
	o, err := c.Find(name, source)
	if err != nil {
		return err
	}
	offers := []catalog.Offer{o}
	if source == "" {
		offers = o.Siblings()
	}
	freed, found, err := c.Remove(offers)
	if err != nil {
		return err
	}
	if !found {
		return exit.Errorf(exit.Environment, "homellm models list shows what is here", "%s is not here", name)
	}
	fmt.Fprintf(p.stdout, "deleted %s: %s\n", name, text.Bytes(float64(freed)))
	return nil
}
