package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/exit"
	"homellm/schema"
)

func newSchema(p process) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "schema [KIND]",
		Short: "Print the JSON Schema of a kind of file or document",
		Long: "schema prints the JSON Schema (draft-07) of a kind of file, for editors that check and\n" +
			"complete YAML: " + strings.Join(schema.Written(), ", ") + ". And of a kind of document that homellm writes\n" +
			"as JSON, for programs that read it; event is a line of --events and of journal.jsonl. Without a kind it lists\n" +
			"the kinds.",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: schema.Kinds(),
		RunE: func(_ *cobra.Command, args []string) error {
			if dir != "" {
				return writeSchemas(dir, args)
			}
			if len(args) == 0 {
				_, err := p.stdout.Write([]byte(strings.Join(schema.Kinds(), "\n") + "\n"))
				return err
			}
			data := schema.Source(args[0])
			if data == nil {
				return exit.Errorf(exit.Usage, "kinds: "+strings.Join(schema.Kinds(), ", "), "no schema for %q", args[0])
			}
			_, err := p.stdout.Write(data)
			return err
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "",
		"write it into this folder, such as scenario.v1.json; without a kind, all of them")
	return c
}

func writeSchemas(dir string, kinds []string) error {
	if len(kinds) == 0 {
		kinds = schema.Kinds()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	for _, k := range kinds {
		data := schema.Source(k)
		if data == nil {
			return exit.Errorf(exit.Usage, "kinds: "+strings.Join(schema.Kinds(), ", "), "no schema for %q", k)
		}
		if err := os.WriteFile(filepath.Join(dir, schema.Name(k)), data, 0o644); err != nil {
			return exit.Errorf(exit.Environment, "", "%w", err)
		}
	}
	return nil
}
