package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/listing"
	"homellm/engine/metrics"
	"homellm/schema"
)

func newExplain(p process) *cobra.Command {
	var shown lookFlags
	c := &cobra.Command{
		Use:   "explain METRIC|KEY|ERROR-CODE",
		Short: "Explain a metric, a key of a file, an error class or an exit code",
		Example: `  homellm explain cache.hit_rate
  homellm explain steps.answer.ttft_ms.p50
  homellm explain on_unknown
  homellm explain truncated
  homellm explain 4`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return explainable(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := shown.check(); err != nil {
				return err
			}
			meanings := explain(args[0])
			if len(meanings) == 0 {
				hint := "homellm explain takes a metric (docs/metrics.md), a key of a YAML file, an error class or an exit code"
				if ours := cmp.Or(expr.OwnName(args[0]), schema.OwnName(args[0])); ours != "" {
					hint = syntax.Meant([]string{ours})
				} else if s := syntax.SuggestPath(args[0], explainable()); s != "" {
					hint = s
				}
				return exit.Errorf(exit.Usage, hint, "nothing is known about %q", args[0])
			}
			return shown.write(p.stdout, listing.Explain(args[0], meanings))
		},
	}
	shown.add(c, listing.Explained)
	return c
}

// explain answers from the tables that the program uses. A word with several meanings gets every answer.
func explain(word string) (out []listing.Meaning) {
	add := func(m listing.Meaning, head string, args ...any) { out = append(out, m.Titled(head, args...)) }
	for _, d := range meant(word) {
		head := d.Name
		if d.Unit != "" {
			head += " (" + d.Unit + ")"
		}
		add(listing.Meaning{Kind: "metric", Name: d.Name, Description: d.Doc, Unit: d.Unit, Formula: d.Formula,
			Source: d.Source}, "%s", head)
	}
	for _, kind := range schema.Kinds() {
		for _, k := range schema.Describe(kind, word) {
			what := "document"
			if slices.Contains(schema.Written(), kind) {
				what = "file"
			}
			add(listing.Meaning{Kind: "key", Name: k.Key(), Description: k.Description, File: kind, Path: k.Path,
				Takes: form(k)}, "%s (key of a %s %s, at %s)", word, kind, what, k.Path)
		}
	}
	for _, c := range event.Classes {
		if c.Name == word {
			add(listing.Meaning{Kind: "error_class", Name: c.Name, Description: c.Doc}, "%s (error class of a request)", c.Name)
		}
	}
	for _, c := range dsl.Codes {
		if c.Code == word {
			add(listing.Meaning{Kind: "finding", Name: c.Code, Description: c.Doc}, "%s (finding of homellm validate)", c.Code)
		}
	}
	for _, f := range expr.Functions {
		if f.Name == word {
			add(listing.Meaning{Kind: "function", Name: f.Usage, Description: f.Doc}, "%s (function of expressions)", f.Usage)
		}
	}
	for _, c := range exit.Codes {
		if strconv.Itoa(c.Code) == word {
			add(listing.Meaning{Kind: "exit_code", Name: word, Description: c.Doc}, "exit code %d", c.Code)
		}
	}
	return out
}

// meant are the metrics that a word names: by their name, with or without its unit, alone or at the end of a path such
// as steps.q.ttft_ms.p50.
func meant(word string) (out []metrics.Def) {
	names := strings.Split(word, ".")
	for from := range names {
		for to := len(names); to > from; to-- {
			if d, ok := metrics.Lookup(strings.Join(names[from:to], ".")); ok {
				return []metrics.Def{*d}
			}
		}
	}
	for _, d := range metrics.Defs {
		if d.Name == names[len(names)-1]+"."+figure.Objective {
			return []metrics.Def{d}
		}
		if unit, ok := strings.CutPrefix(d.Name, word+"_"); ok && !strings.Contains(unit, "_") {
			out = append(out, d)
		}
	}
	return out
}

// form says in one line what a key takes and what it means to leave it out.
func form(k schema.Property) string {
	parts := []string{"takes " + k.Type}
	if len(k.Values) > 0 {
		parts[0] = "one of " + strings.Join(k.Values, ", ")
	}
	switch {
	case k.Required:
		parts = append(parts, "required")
	case k.Default != nil:
		parts = append(parts, fmt.Sprintf("%v if it is absent", k.Default))
	}
	if k.Example != "" {
		parts = append(parts, "such as "+k.Example)
	}
	return strings.Join(parts, "; ")
}

func explainable() []string {
	var out []string
	for _, d := range metrics.Defs {
		out = append(out, d.Name)
	}
	for _, kind := range schema.Kinds() {
		for _, k := range schema.Properties(kind) {
			out = append(out, k.Key())
		}
	}
	for _, c := range event.Classes {
		out = append(out, c.Name)
	}
	for _, c := range dsl.Codes {
		out = append(out, c.Code)
	}
	for _, f := range expr.Functions {
		out = append(out, f.Name)
	}
	return out
}
