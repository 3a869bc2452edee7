package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/metrics"
	"homellm/schema"
)

func newExplain(p process) *cobra.Command {
	return &cobra.Command{
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
			text := explain(args[0])
			if text == "" {
				hint := "homellm explain takes a metric (docs/metrics.md), a key of a YAML file, an error class or an exit code"
				if s := syntax.Suggest(args[0], explainable()); s != "" {
					hint = s
				}
				return exit.Errorf(exit.Usage, hint, "nothing is known about %q", args[0])
			}
			_, err := fmt.Fprint(p.stdout, text)
			return err
		},
	}
}

// explain answers from the tables that the program uses. A word with several meanings gets every answer.
func explain(word string) string {
	var b strings.Builder
	for _, d := range meant(word) {
		b.WriteString(d.Explain())
	}
	for _, kind := range schema.Kinds() {
		for _, k := range schema.Describe(kind, word) {
			what := "document"
			if slices.Contains(schema.Written(), kind) {
				what = "file"
			}
			fmt.Fprintf(&b, "%s (key of a %s %s, at %s)\n  %s\n  %s\n", word, kind, what, k.Path, k.Description, form(k))
		}
	}
	for _, c := range event.Classes {
		if c.Name == word {
			fmt.Fprintf(&b, "%s (error class of a request)\n  %s\n", c.Name, c.Doc)
		}
	}
	for _, c := range dsl.Codes {
		if c.Code == word {
			fmt.Fprintf(&b, "%s (finding of homellm validate)\n  %s\n", c.Code, c.Doc)
		}
	}
	for _, f := range expr.Functions {
		if f.Name == word {
			fmt.Fprintf(&b, "%s (function of expressions)\n  %s\n", f.Usage, f.Doc)
		}
	}
	for _, c := range exit.Codes {
		if strconv.Itoa(c.Code) == word {
			fmt.Fprintf(&b, "exit code %d\n  %s\n", c.Code, c.Doc)
		}
	}
	return b.String()
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
