package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/engine/hub"
	"homellm/engine/model"
	"homellm/engine/report"
)

func newModelsList(p process) *cobra.Command {
	var lib libraryFlags
	var vram float64
	c := &cobra.Command{
		Use:   "list",
		Short: "Show the models that are known, what is here, and what fits the GPU",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := openStore(p, lib)
			if err != nil {
				return err
			}
			return s.list(c.Context(), vram)
		},
	}
	lib.add(c)
	c.Flags().Float64Var(&vram, "vram", 0, "memory of the GPU in GiB, instead of this machine's")
	return c
}

func (s *store) list(ctx context.Context, vram float64) error {
	bytes, name := s.memory(ctx, vram)
	if bytes > 0 {
		fmt.Fprintf(s.stdout, "%s, %.1f GiB; fits are for a context of %d tokens\n", name, bytes/(1<<30), usualContext)
	} else {
		fmt.Fprintln(s.stdout, "no GPU was found; --vram GIB says what would fit one")
	}
	stored, err := s.cache.List()
	if err != nil {
		return exit.Errorf(exit.Environment, "", "reading %s: %w", s.cache.Dir, err)
	}
	here := map[string]hub.Stored{}
	for _, one := range stored {
		here[one.Repo] = one
	}
	var rows [][]string
	known := map[string]bool{} // several sources may be of one repository
	for _, o := range s.offers() {
		known[o.source.Repo] = true
		rows = append(rows, []string{o.model.Name, o.source.Name, cmp.Or(o.source.Quant, "?"),
			s.state(o, here[o.source.Repo]), o.fits(bytes), size(o)})
	}
	for _, one := range stored {
		if !known[one.Repo] {
			state := "here, " + gigabytes(float64(one.Bytes))
			if one.Unfinished > 0 {
				state = "interrupted, " + gigabytes(float64(one.Bytes+one.Unfinished))
			}
			rows = append(rows, []string{one.Repo, "", "", state, "in no models file", ""})
		}
	}
	return report.Columns(s.stdout, []string{"model", "source", "quant", "downloaded", "fits", "size"}, rows, 5)
}

func (s *store) memory(ctx context.Context, vram float64) (bytes float64, name string) {
	if vram > 0 {
		return vram * (1 << 30), "a GPU"
	}
	return card(ctx)
}

// state says what is here of an offer. Several may be of one repository: what is counted is its own.
func (s *store) state(o offer, here hub.Stored) string {
	held := s.cache.Holds(o.spec(), s.commit(o))
	bytes := gigabytes(float64(held.Bytes() + held.Unfinished))
	switch {
	case held.Whole():
		return "yes, " + gigabytes(float64(held.Bytes()))
	case held.Unfinished > 0:
		return "interrupted, " + bytes
	case len(held.Files) > 0:
		return "part of it, " + bytes
	}
	spec := o.spec()
	for i := range spec.Files {
		spec.Files[i] = hub.File{Path: spec.Files[i].Path} // the rest is promised of its own revision
	}
	for _, commit := range here.Commits {
		if other := s.cache.Holds(spec, commit); commit != s.commit(o) && other.Whole() {
			return "another revision, " + gigabytes(float64(other.Bytes()))
		}
	}
	return "no"
}

func (o offer) fits(vram float64) string {
	if vram == 0 {
		return "–"
	}
	f, err := o.fit(usualContext, vram)
	if err != nil {
		return "not known: " + err.Error()
	}
	return f.String()
}

func size(o offer) string {
	if known := o.weights(); known > 0 {
		return gigabytes(known)
	}
	a := o.model.Architecture
	if q, err := model.QuantOf(cmp.Or(o.source.Quant, "bf16")); a != nil && err == nil {
		return "≈ " + gigabytes(model.WeightBytes(model.Architecture{Hidden: a.Hidden, Vocab: a.Vocab,
			Parameters: a.Parameters}, q))
	}
	return "?"
}
