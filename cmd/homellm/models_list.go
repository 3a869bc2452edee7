package main

import (
	"context"

	"github.com/spf13/cobra"

	"homellm/engine/catalog"
	"homellm/engine/listing"
)

func newModelsList(p process) *cobra.Command {
	var lib libraryFlags
	var vram float64
	var shown lookFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "Show the models that are known, what is here, and what fits the GPU",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := shown.check(); err != nil {
				return err
			}
			c, err := p.catalog(lib)
			if err != nil {
				return err
			}
			bytes, name := memory(cmd.Context(), vram)
			d, err := listing.OfModels(c, name, bytes)
			if err != nil {
				return err
			}
			return shown.write(p.stdout, d)
		},
	}
	lib.add(c)
	shown.add(c, listing.ModelsList)
	c.Flags().Float64Var(&vram, "vram", 0, "memory of the GPU in GiB, instead of this machine's")
	return c
}

// memory is the memory of the chosen GPU in bytes, and its name.
func memory(ctx context.Context, vram float64) (bytes float64, name string) {
	if vram > 0 {
		return vram * (1 << 30), "a GPU"
	}
	return catalog.Card(ctx)
}
