package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"homellm/engine/exit"
)

// TestCLIDocs compares docs/cli.md with what the program prints; -update writes it.
func TestCLIDocs(t *testing.T) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Command line\n\n")
	fmt.Fprintf(&b, "Generated from the program: `go test ./cmd/homellm -run CLIDocs -update`.\n\n")
	fmt.Fprintf(&b, "## Exit codes\n\n| code | meaning |\n|---:|---|\n")
	for _, e := range exit.Codes {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, e.Doc)
	}
	fmt.Fprintf(&b, "\nWith several scenarios the gravest outcome decides. The printed verdict and the code come from "+
		"the same decision.\n")
	fmt.Fprintf(&b, "\n## JSON documents\n\nWith `--format json` these commands print one document that conforms to a JSON "+
		"Schema. A value that is\nnot known is null, and the object that holds it says why under `unknown`, by the name of its "+
		"key; a key\nthat is absent does not apply. The exit codes are those of the text; where a command fails, stdout is "+
		"empty\nand stderr says why. Fields are added, never changed or taken away within a version.\n\n"+
		"| command | document | schema |\n|---|---|---|\n")
	for _, o := range documents() {
		for _, kind := range o.Kinds {
			fmt.Fprintf(&b, "| `homellm %s --format json` | `homellm.%s/v1` | `homellm schema %[2]s` |\n", o.Command, kind)
		}
	}
	fmt.Fprintf(&b, "\nFindings are a list and have no key `schema`. The result of a run and of a comparison says of unknown "+
		"numbers only\nthat they are null.\n")
	fmt.Fprintf(&b, "\n`apply --events` and `ab --events` write JSON lines, one for each [event](events.md): "+
		"`homellm schema event`.\n")
	root := newRoot(process{})
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		document(&b, c)
	}
	path := filepath.Join("..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("docs/cli.md is not what the program says; run with -update:\n%s", diff)
	}
}

func document(b *bytes.Buffer, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\n", c.CommandPath(), strings.TrimSuffix(c.Short, "."))
	if c.Long != "" {
		fmt.Fprintf(b, "%s\n\n", c.Long)
	}
	c.InitDefaultHelpFlag()
	fmt.Fprintf(b, "```\n%s\n", c.UseLine())
	if c.Example != "" {
		fmt.Fprintf(b, "\n%s\n", c.Example)
	}
	if flags := c.LocalFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(b, "\n%s", flags)
	}
	fmt.Fprintf(b, "```\n")
	for _, sub := range c.Commands() {
		document(b, sub)
	}
}
