package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"homellm/engine"
	"homellm/engine/exit"
	"homellm/engine/hub"
	"homellm/engine/model"
	"homellm/engine/report/readable"
)

type pullFlags struct {
	libraryFlags
	source   string
	revision string
	files    []string
	quiet    bool
}

func newModelsPull(p process) *cobra.Command {
	var f pullFlags
	c := &cobra.Command{
		Use:   "pull NAME",
		Short: "Download a model",
		Long: `pull fetches the files of a model into the cache of Hugging Face's programs. NAME is
a model of the models files, or a repository of the hub (organisation/model). It can
be interrupted at any time and continues where it stopped; the hash of a file is
checked as it arrives.

A source whose models file pins no revision is fetched as it is now on the branch
main. That revision is printed, ready to be pinned.`,
		Example: `  homellm models pull qwen2.5-3b
  homellm models pull phi-3.5-mini --source gguf
  homellm models pull qwen2.5-3b --file tokenizer.json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeModels,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openStore(p, f.libraryFlags)
			if err != nil {
				return err
			}
			o, err := s.offer(args[0], f.source)
			if err != nil {
				return err
			}
			return s.pull(c.Context(), o, f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.source, "source", "", "which source of the model, such as gguf; the first if not given")
	c.Flags().StringVar(&f.revision, "revision", "", "commit, branch or tag, instead of the models file's")
	c.Flags().StringArrayVar(&f.files, "file", nil, "fetch only this file of the repository")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	return c
}

type setupFlags struct {
	libraryFlags
	vram   float64
	dryRun bool
	quiet  bool
}

func newModelsSetup(p process) *cobra.Command {
	var f setupFlags
	c := &cobra.Command{
		Use:   "setup",
		Short: "Download the model that suits this machine",
		Long: `setup picks the largest model that fits the GPU together with a context of 16,384
tokens, among those that need no licence to be accepted and whose prompts a prefix
cache can keep; without a GPU, the smallest. It says why, and pulls it.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := openStore(p, f.libraryFlags)
			if err != nil {
				return err
			}
			return s.setup(c.Context(), f)
		},
	}
	f.add(c)
	c.Flags().Float64Var(&f.vram, "vram", 0, "memory of the GPU in GiB, instead of this machine's")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be pulled, and pull nothing")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	return c
}

func (s *store) setup(ctx context.Context, f setupFlags) error {
	bytes, name := s.memory(ctx, f.vram)
	o, why, ok := s.recommend(bytes)
	if !ok {
		return exit.Errorf(
			exit.Environment,
			"homellm models list shows how much memory each needs",
			"no known model fits %s with %.1f GiB",
			name,
			bytes/(1<<30),
		)
	}
	if bytes > 0 {
		fmt.Fprintf(s.stdout, "%s, %.1f GiB: %s. It %s\n", name, bytes/(1<<30), o, why)
	} else {
		fmt.Fprintf(s.stdout, "no GPU was found: %s, %s\n", o, why)
	}
	if f.dryRun {
		fmt.Fprintf(s.stdout, "homellm models pull %s --source %s\n", o.model.Name, o.source.Name)
		return nil
	}
	return s.pull(ctx, o, pullFlags{quiet: f.quiet})
}

// recommend picks an offer for a card; 0 is none.
func (s *store) recommend(vram float64) (best offer, why string, ok bool) {
	templates := s.templates(s.lib)
	better := func(a, b offer) bool { // more parameters, then more bits
		pa, pb := a.model.Architecture.Parameters, b.model.Architecture.Parameters
		if vram == 0 {
			return pa < pb
		}
		if pa != pb {
			return pa > pb
		}
		qa, _ := model.QuantOf(a.source.Quant)
		qb, _ := model.QuantOf(b.source.Quant)
		return qa.Block > qb.Block
	}
	for _, o := range s.offers() {
		t := templates.Of(o.model)
		if o.source.Gated || o.model.Context.Trained < usualContext || o.model.Architecture == nil || o.source.Quant == "" ||
			t == nil {
			continue
		}
		if stable, err := t.Stable(model.Probe(), model.Options{}, nil); err != nil || !stable.OK {
			continue
		}
		said := "the smallest, for the processor alone"
		if vram > 0 {
			fit, err := o.fit(usualContext, vram)
			if err != nil || !fit.OK {
				continue
			}
			said = fit.String()
		} else if o.source.Format != "gguf" {
			continue // what runs on a processor takes GGUF
		}
		if !ok || better(o, best) {
			best, why, ok = o, said, true
		}
	}
	return best, why, ok
}

func (s *store) pull(ctx context.Context, o offer, f pullFlags) error {
	if v := strings.ToLower(s.getenv("HF_HUB_OFFLINE")); v != "" && v != "0" && v != "false" && v != "no" {
		return exit.Errorf(exit.Environment, "unset HF_HUB_OFFLINE", "HF_HUB_OFFLINE says not to ask the hub")
	}
	spec := o.spec()
	spec.Revision = cmp.Or(f.revision, spec.Revision)
	if len(f.files) > 0 {
		promised := spec.Files
		spec.Files = nil
		for _, path := range f.files {
			file := hub.File{Path: path}
			if i := slices.IndexFunc(promised, func(p hub.File) bool { return p.Path == path }); i >= 0 {
				file = promised[i]
			}
			spec.Files = append(spec.Files, file)
		}
	}
	if f.revision != "" && f.revision != o.source.Revision { // what the models file promises is of its own revision
		for i := range spec.Files {
			spec.Files[i] = hub.File{Path: spec.Files[i].Path}
		}
	}
	painter := newPullBar(s.process, f.quiet)
	pulled, err := s.cache.Pull(ctx, s.hub, spec, hub.PullOptions{Progress: painter.show})
	painter.end()
	if err != nil {
		return s.pullFailed(ctx, o, err)
	}
	fmt.Fprintf(s.stdout, "%s is in %s\n", o, shown(pulled.Dir))
	if pulled.Moved != "" {
		fmt.Fprintf(
			s.stdout,
			"the branch moved: it was %s when it was last pulled, and is %s now\n",
			pulled.Moved,
			pulled.Commit,
		)
	}
	if o.source.Revision == "" && len(f.files) == 0 && o.model.Sources != nil {
		s.pin(o, cmp.Or(f.revision, "main"), pulled)
	}
	return nil
}

// pin prints what was fetched from a branch as the models file would pin it.
func (s *store) pin(o offer, revision string, pulled hub.Pulled) {
	fmt.Fprintf(
		s.stdout,
		"its models file pins no revision; this is what %s is now, to keep in your own models file:\n",
		revision,
	)
	fmt.Fprintf(
		s.stdout,
		"  %s: # of models.%s.sources\n    repo: %s\n    revision: %q\n",
		o.source.Name,
		o.model.Name,
		o.source.Repo,
		pulled.Commit,
	)
	if o.source.Format != "" {
		fmt.Fprintf(s.stdout, "    format: %s\n", o.source.Format)
	}
	if o.source.Quant != "" {
		fmt.Fprintf(s.stdout, "    quant: %s\n", o.source.Quant)
	}
	fmt.Fprintf(s.stdout, "    files:\n")
	files := slices.Clone(pulled.Files)
	slices.SortFunc(files, func(a, b hub.File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range files {
		fmt.Fprintf(s.stdout, "      - {path: %q, bytes: %d", f.Path, f.Bytes)
		if len(f.Hash) == 64 { // of large files it is the SHA-256
			fmt.Fprintf(s.stdout, ", sha256: %q", f.Hash)
		}
		fmt.Fprintln(s.stdout, "}")
	}
}

// pullFailed says what to do about a pull that failed.
func (s *store) pullFailed(ctx context.Context, o offer, err error) error {
	again := "the same command continues where this one stopped"
	if signal, ok := errors.AsType[engine.Interrupted](context.Cause(ctx)); ok {
		return exit.Errorf(exit.OfSignal(signal.Signal), again, "%v", signal)
	}
	if why, ok := errors.AsType[*hub.Error](err); ok {
		return exit.Errorf(exit.Environment, why.Hint, "pulling %s: %s", o, why.Why)
	}
	return exit.Errorf(exit.Environment, again, "pulling %s: %w", o, err)
}

// pullBar paints the progress of a pull: a bar on a terminal, a line now and then elsewhere.
type pullBar struct {
	w       io.Writer
	columns int // of the terminal; 0: it is none
	last    time.Time
}

func newPullBar(p process, quiet bool) *pullBar {
	if quiet {
		return &pullBar{w: io.Discard}
	}
	return &pullBar{w: p.stderr, columns: p.columns, last: time.Now()}
}

// pullLineEvery is how often a line is written where no terminal can be repainted.
const pullLineEvery = 5 * time.Second

func (b *pullBar) show(p hub.Progress) {
	text := describePull(p)
	if b.columns > 0 {
		fmt.Fprint(b.w, repaint+readable.Shorten(text, b.columns-1))
		return
	}
	if now := time.Now(); now.Sub(b.last) >= pullLineEvery {
		b.last = now
		fmt.Fprintln(b.w, text)
	}
}

func (b *pullBar) end() {
	if b.columns > 0 {
		fmt.Fprint(b.w, repaint)
	}
}

func describePull(p hub.Progress) string {
	const width = 24
	share := 0.0
	if p.Total > 0 {
		share = min(1, float64(p.Done)/float64(p.Total))
	}
	full := int(share * width)
	text := fmt.Sprintf(
		"%s %3.0f %%  %s of %s",
		strings.Repeat("█", full)+strings.Repeat("░", width-full),
		share*100,
		gigabytes(float64(p.Done)),
		gigabytes(float64(p.Total)),
	)
	switch {
	case p.Waiting:
		text += "  another pull holds the file"
	case p.BytesPerSecond > 0:
		text += fmt.Sprintf("  %s/s", gigabytes(p.BytesPerSecond))
		if p.ETA > 0 {
			text += "  ETA " + p.ETA.Round(time.Second).String()
		}
	}
	if p.Files > 1 {
		text += fmt.Sprintf("  file %d of %d", p.Number, p.Files)
	}
	return text + "  " + p.File
}
