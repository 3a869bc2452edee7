package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/engine/hub"
	"homellm/engine/report/readable"
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
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openStore(p, lib)
			if err != nil {
				return err
			}
			return s.verify(c.Context(), args)
		},
	}
	lib.add(c)
	return c
}

func (s *store) verify(ctx context.Context, names []string) error {
	var list []offer
	for _, name := range names {
		o, err := s.offer(name, "")
		if err != nil {
			return err
		}
		list = append(list, s.sourcesOf(o)...)
	}
	if len(names) == 0 {
		list = s.offers()
	}
	stored, err := s.cache.List()
	if err != nil {
		return exit.Errorf(exit.Environment, "", "reading %s: %w", s.cache.Dir, err)
	}
	var all checked
	for _, repo := range stored {
		var of []offer
		for _, o := range list {
			if o.source.Repo == repo.Repo {
				of = append(of, o)
			}
		}
		if len(of) == 0 {
			continue
		}
		for _, commit := range repo.Commits {
			one, err := s.verifySnapshot(ctx, of, repo.Repo, commit)
			if err != nil {
				return err
			}
			all.read, all.wrong, all.missing = all.read+one.read, all.wrong+one.wrong, all.missing+one.missing
		}
	}
	switch {
	case all.wrong+all.missing > 0:
		return exit.Errorf(exit.Fail, "homellm models pull NAME fetches what is not there", "%s wrong, %d missing",
			readable.Plural(all.wrong, "file"), all.missing)
	case all.read == 0 && len(names) > 0:
		return exit.Errorf(exit.Environment, "homellm models pull "+list[0].model.Name, "%s is not here",
			strings.Join(names, ", "))
	case all.read == 0:
		fmt.Fprintf(s.stdout, "no known model is in %s\n", shown(s.cache.Dir))
	}
	return nil
}

// checked counts the files of a verification.
type checked struct{ read, wrong, missing int }

// verifySnapshot reads the files of one commit of a repository, for the offers that may be in it.
func (s *store) verifySnapshot(ctx context.Context, of []offer, repo, commit string) (n checked, err error) {
	var whose, missing []string
	var want []hub.File
	for _, o := range of {
		held := s.cache.Holds(o.spec(), commit)
		if len(held.Files) == 0 {
			continue
		}
		whose = append(whose, o.String())
		if commit == s.commit(o) {
			want = append(want, o.spec().Files...)
		}
		// A pull of single files, such as a tokeniser, leaves the rest out on purpose.
		if slices.ContainsFunc(held.Files, func(f hub.File) bool {
			return f.Path == "config.json" || slices.Contains([]string{".gguf", ".safetensors"}, path.Ext(f.Path))
		}) {
			missing = append(missing, held.Missing...)
		}
		if o.model.Sources == nil { // a repository of no models file may never have had one
			missing = slices.DeleteFunc(missing, func(p string) bool { return p == "config.json" })
		}
	}
	what := cmp.Or(strings.Join(whose, ", "), repo)
	files, err := s.cache.Verify(ctx, repo, commit, want)
	if err != nil {
		return n, exit.Errorf(exit.Environment, "", "%s: %w", what, err)
	}
	say := func(path, text string) { fmt.Fprintf(s.stdout, "%-28s %s: %s\n", what, path, text) }
	for _, f := range files {
		n.read++
		if f.Wrong != "" {
			n.wrong++
			missing = slices.DeleteFunc(missing, func(p string) bool { return p == f.Path }) // it is here, and wrong
			say(f.Path, f.Wrong)
		} else if f.Unknown != "" {
			say(f.Path, f.Unknown)
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	for _, p := range missing {
		say(p, "missing")
	}
	n.missing = len(missing)
	fmt.Fprintf(s.stdout, "%-28s %s checked\n", what, readable.Plural(n.read, "file"))
	return n, nil
}

// sourcesOf lists every source of an offer's model.
func (s *store) sourcesOf(o offer) []offer {
	if len(o.model.Sources) == 0 {
		return []offer{o}
	}
	var out []offer
	for _, source := range o.model.Sources {
		out = append(out, offer{o.model, source})
	}
	return out
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
			s, err := openStore(p, lib)
			if err != nil {
				return err
			}
			return s.remove(args[0], source)
		},
	}
	lib.add(c)
	c.Flags().StringVar(&source, "source", "", "delete only the repository of this source, such as gguf")
	return c
}

func (s *store) remove(name, source string) error {
	o, err := s.offer(name, source)
	if err != nil {
		return err
	}
	list := []offer{o}
	if source == "" {
		list = s.sourcesOf(o)
	}
	stored, err := s.cache.List()
	if err != nil {
		return exit.Errorf(exit.Environment, "", "reading %s: %w", s.cache.Dir, err)
	}
	var freed int64
	found := false
	removed := map[string]bool{}
	for _, one := range list {
		if removed[one.source.Repo] || !slices.ContainsFunc(stored,
			func(x hub.Stored) bool { return x.Repo == one.source.Repo }) {
			continue
		}
		n, err := s.cache.Remove(one.source.Repo)
		if errors.Is(err, hub.ErrBusy) {
			return exit.Errorf(exit.Environment, "wait for it, or end it", "deleting %s: %w", one.source.Repo, err)
		}
		if err != nil {
			return exit.Errorf(exit.Environment, "", "deleting %s: %w", one.source.Repo, err)
		}
		found, removed[one.source.Repo] = true, true
		freed += n
	}
	if !found {
		return exit.Errorf(exit.Environment, "homellm models list shows what is here", "%s is not here", name)
	}
	fmt.Fprintf(s.stdout, "deleted %s: %s\n", name, gigabytes(float64(freed)))
	return nil
}
