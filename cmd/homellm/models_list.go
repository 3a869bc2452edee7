package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"homellm/engine/catalog"
	"homellm/engine/hub"
	"homellm/engine/report"
	"homellm/engine/text"
)

func newModelsList(p process) *cobra.Command {
	var lib libraryFlags
	var vram float64
	c := &cobra.Command{
		Use:   "list",
		Short: "Show the models that are known, what is here, and what fits the GPU",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.catalog(lib)
			if err != nil {
				return err
			}
			return listModels(cmd.Context(), p, c, vram)
		},
	}
	lib.add(c)
	c.Flags().Float64Var(&vram, "vram", 0, "memory of the GPU in GiB, instead of this machine's")
	return c
}

func listModels(ctx context.Context, p process, c *catalog.Catalog, vram float64) error {
	bytes, name := memory(ctx, vram)
	if bytes > 0 {
		fmt.Fprintf(p.stdout, "%s, %.1f GiB; fits are for a context of %d tokens\n", name, bytes/(1<<30),
			catalog.UsualContext)
	} else {
		fmt.Fprintln(p.stdout, "no GPU was found; --vram GIB says what would fit one")
	}
	stored, err := c.Stored()
	if err != nil {
		return err
	}
	here := map[string]hub.Stored{}
	for _, one := range stored {
		here[one.Repo] = one
	}
	var rows [][]string
	known := map[string]bool{} // several sources may be of one repository
	for _, o := range c.Offers() {
		known[o.Source.Repo] = true
		rows = append(rows, []string{o.Model.Name, o.Source.Name, cmp.Or(o.Source.Quant, "?"),
			describeState(c.State(o, here[o.Source.Repo])), fits(o, bytes), size(o)})
	}
	for _, one := range stored {
		if !known[one.Repo] {
			state := "here, " + text.Bytes(float64(one.Bytes))
			if one.Unfinished > 0 {
				state = "interrupted, " + text.Bytes(float64(one.Bytes+one.Unfinished))
			}
			rows = append(rows, []string{one.Repo, "", "", state, "in no models file", ""})
		}
	}
	return report.Columns(p.stdout, []string{"model", "source", "quant", "downloaded", "fits", "size"}, rows, 5)
}

// memory is the memory of the GPU that is meant, in bytes, and its name.
func memory(ctx context.Context, vram float64) (bytes float64, name string) {
	if vram > 0 {
		return vram * (1 << 30), "a GPU"
	}
	return catalog.Card(ctx)
}

func describeState(s catalog.State, bytes int64) string {
	if s == catalog.Absent {
		return string(s)
	}
	return string(s) + ", " + text.Bytes(float64(bytes))
}

func fits(o catalog.Offer, vram float64) string {
	if vram == 0 {
		return "–"
	}
	f, err := o.Fit(catalog.UsualContext, vram)
	if err != nil {
		return "not known: " + err.Error()
	}
	return f.String()
}

func size(o catalog.Offer) string {
	switch bytes, estimated := o.Size(); {
	case bytes == 0:
		return "?"
	case estimated:
		return "≈ " + text.Bytes(bytes)
	default:
		return text.Bytes(bytes)
	}
}
