package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"homellm/engine/exit"
)

func newMan(process) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages into a folder",
		Long:    "man writes a page for the program and one for each of its commands. A release brings them along.",
		Example: "  homellm man ~/.local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			root.DisableAutoGenTag = true // the pages of one version are alike whenever they are made
			err := os.MkdirAll(args[0], 0o755)
			if err == nil {
				head := &doc.GenManHeader{Section: "1", Source: "homellm " + version(), Manual: "homellm"}
				err = doc.GenManTree(root, head, args[0])
			}
			if err != nil {
				return exit.Errorf(exit.Environment, "", "%w", err)
			}
			return nil
		},
	}
}
