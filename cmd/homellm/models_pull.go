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
	"homellm/engine/catalog"
	"homellm/engine/exit"
	"homellm/engine/hub"
	"homellm/engine/report/readable"
	"homellm/engine/text"
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
			models, err := p.catalog(f.libraryFlags)
			if err != nil {
				return err
			}
			o, err := models.Find(args[0], f.source)
			if err != nil {
				return err
			}
			return pull(c.Context(), p, models, o, f)
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
			models, err := p.catalog(f.libraryFlags)
			if err != nil {
				return err
			}
			return setup(c.Context(), p, models, f)
		},
	}
	f.add(c)
	c.Flags().Float64Var(&f.vram, "vram", 0, "memory of the GPU in GiB, instead of this machine's")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be pulled, and pull nothing")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	return c
}

func setup(ctx context.Context, p process, models *catalog.Catalog, f setupFlags) error {
	bytes, name := memory(ctx, f.vram)
	o, why, ok := models.Recommend(p.templates(models.Library), bytes)
	if !ok {
		return exit.Errorf(exit.Environment, "homellm models list shows how much memory each needs",
			"no known model fits %s with %.1f GiB", name, bytes/(1<<30))
	}
	if bytes > 0 {
		fmt.Fprintf(p.stdout, "%s, %.1f GiB: %s. It %s\n", name, bytes/(1<<30), o, why)
	} else {
		fmt.Fprintf(p.stdout, "no GPU was found: %s, %s\n", o, why)
	}
	if f.dryRun {
		fmt.Fprintf(p.stdout, "homellm models pull %s --source %s\n", o.Model.Name, o.Source.Name)
		return nil
	}
	return pull(ctx, p, models, o, pullFlags{quiet: f.quiet})
}

func pull(ctx context.Context, p process, models *catalog.Catalog, o catalog.Offer, f pullFlags) error {
	if err := models.Online(); err != nil {
		return err
	}
	painter := newPullBar(p, f.quiet)
	pulled, err := models.Pull(ctx, o, catalog.Wanted{Revision: f.revision, Files: f.files}, painter.show)
	painter.end()
	if signal, ok := errors.AsType[engine.Interrupted](context.Cause(ctx)); ok && err != nil {
		return exit.Errorf(exit.OfSignal(signal.Signal), catalog.Again, "%v", signal)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is in %s\n", o, text.Path(pulled.Dir))
	if pulled.Moved != "" {
		fmt.Fprintf(p.stdout, "the branch moved: it was %s when it was last pulled, and is %s now\n", pulled.Moved,
			pulled.Commit)
	}
	if o.Source.Revision == "" && len(f.files) == 0 && o.Model.Sources != nil {
		pin(p.stdout, o, cmp.Or(f.revision, "main"), pulled)
	}
	return nil
}

// pin prints what was fetched from a branch, in the form that pins it in a models file.
func pin(w io.Writer, o catalog.Offer, revision string, pulled hub.Pulled) {
	fmt.Fprintf(
		w,
		"its models file pins no revision; this is what %s is now, to keep in your own models file:\n",
		revision,
	)
	fmt.Fprintf(
		w,
		"  %s: # of models.%s.sources\n    repo: %s\n    revision: %q\n",
		o.Source.Name,
		o.Model.Name,
		o.Source.Repo,
		pulled.Commit,
	)
	if o.Source.Format != "" {
		fmt.Fprintf(w, "    format: %s\n", o.Source.Format)
	}
	if o.Source.Quant != "" {
		fmt.Fprintf(w, "    quant: %s\n", o.Source.Quant)
	}
	fmt.Fprintf(w, "    files:\n")
	files := slices.Clone(pulled.Files)
	slices.SortFunc(files, func(a, b hub.File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range files {
		fmt.Fprintf(w, "      - {path: %q, bytes: %d", f.Path, f.Bytes)
		if len(f.Hash) == 64 { // of large files it is the SHA-256
			fmt.Fprintf(w, ", sha256: %q", f.Hash)
		}
		fmt.Fprintln(w, "}")
	}
}

// pullBar paints the progress of a pull: a bar on a terminal, a line now and then elsewhere.
type pullBar struct {
	w       io.Writer
	columns int // of the terminal; 0: not a terminal
	last    time.Time
}

func newPullBar(p process, quiet bool) *pullBar {
	if quiet {
		return &pullBar{w: io.Discard}
	}
	return &pullBar{w: p.stderr, columns: p.columns, last: time.Now()}
}

// pullLineEvery is how often a line is written to anything but a terminal.
const pullLineEvery = 5 * time.Second

func (b *pullBar) show(p hub.Progress) {
	line := describePull(p)
	if b.columns > 0 {
		fmt.Fprint(b.w, repaint+readable.Shorten(line, b.columns-1))
		return
	}
	if now := time.Now(); now.Sub(b.last) >= pullLineEvery {
		b.last = now
		fmt.Fprintln(b.w, line)
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
	line := fmt.Sprintf(
		"%s %3.0f %%  %s of %s",
		strings.Repeat("█", full)+strings.Repeat("░", width-full),
		share*100,
		text.Bytes(float64(p.Done)),
		text.Bytes(float64(p.Total)),
	)
	switch {
	case p.Waiting:
		line += "  another pull holds the file"
	case p.BytesPerSecond > 0:
		line += fmt.Sprintf("  %s/s", text.Bytes(p.BytesPerSecond))
		if p.ETA > 0 {
			line += "  ETA " + p.ETA.Round(time.Second).String()
		}
	}
	if p.Files > 1 {
		line += fmt.Sprintf("  file %d of %d", p.Number, p.Files)
	}
	return line + "  " + p.File
}
