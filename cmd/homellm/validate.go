package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"homellm"
	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/files"
	"homellm/engine/judge"
	"homellm/engine/prompt"
	"homellm/engine/text"
)

// diagnosticFormats is how findings are printed.
var diagnosticFormats = []struct {
	name  string
	write func(syntax.Diagnostics, io.Writer) error
}{
	{"text", syntax.Diagnostics.WriteText},
	{"json", syntax.Diagnostics.WriteJSON},
	{"github", syntax.Diagnostics.WriteGitHub},
}

func newValidate(p process) *cobra.Command {
	var lib libraryFlags
	var format string
	var strict bool
	c := &cobra.Command{
		Use:   "validate [PATH...]",
		Short: "Check files without sending anything",
		Long: `validate checks scenario, servers, models and gates files: YAML, schema, links between
files, expressions. Without a path it checks scenarios/, servers.yaml, gates.yaml and
models.yaml of this folder, or the shipped ones where there are none.
It prints every problem of every file and exits with 3 if there is an error.`,
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			return validate(p, args, lib, format, strict)
		},
	}
	lib.add(c)
	c.Flags().StringVar(&format, "format", "text", "text, json or github (annotations)")
	c.Flags().BoolVar(&strict, "strict", false, "treat warnings as errors")
	return c
}

func validate(p process, args []string, flags libraryFlags, format string, strict bool) error {
	k := slices.IndexFunc(diagnosticFormats, func(f struct {
		name  string
		write func(syntax.Diagnostics, io.Writer) error
	}) bool {
		return f.name == format
	})
	if k < 0 {
		return exit.Errorf(exit.Usage, "text, json or github", "unknown format %q", format)
	}
	lib, err := flags.load(p)
	var found syntax.Diagnostics
	if err != nil {
		var ds syntax.Diagnostics
		if !errors.As(err, &ds) {
			return err
		}
		found = append(found, ds...)
		lib = &dsl.Library{}
	}
	named, err := files.ToValidate(args, p.stdin)
	if err != nil {
		var ds syntax.Diagnostics
		if !errors.As(err, &ds) {
			return err
		}
		found = append(found, ds...)
	}
	vocabulary := judge.Vocabulary()
	compile := p.renderer.Compile
	if len(args) == 0 {
		compile = p.renderer.Parse // the user did not name the file, so its templates are parsed and not run
	}
	for _, f := range named {
		if bytes.Equal(f.Data, homellm.Models) || bytes.Equal(f.Data, homellm.Servers) {
			continue // the shipped file, which the library has just been read from
		}
		ds := dsl.Validate(f, lib, vocabulary)
		if !ds.Errors() && dsl.KindOf(f.Data) == "models" {
			own, _ := dsl.LoadLibrary(f)
			ds = append(ds, prompt.NewTemplates(own, compile).Check()...)
		}
		found = append(found, ds...)
	}
	if err := unread(diagnosticFormats[k].write(found, plain{p.stdout})); err != nil {
		return exit.Errorf(exit.Environment, "", "printing the findings: %w", err)
	}
	bad := found.Errors() || (strict && len(found) > 0)
	if format == "text" {
		errs := 0
		for _, d := range found {
			if d.Severity == syntax.Error {
				errs++
			}
		}
		fmt.Fprintf(p.stderr, "%s, %s, %s\n", text.Plural(len(named), "file"), text.Plural(errs, "error"),
			text.Plural(len(found)-errs, "warning"))
	}
	if bad {
		return exit.With(exit.Invalid)
	}
	return nil
}
