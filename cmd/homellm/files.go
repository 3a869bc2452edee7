package main

import (
	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/engine/files"
)

// libraryFlags name the servers and models files that a command reads in addition to the shipped ones.
type libraryFlags struct {
	serverFiles []string
	modelFiles  []string
}

func (l *libraryFlags) add(c *cobra.Command) {
	c.Flags().
		StringArrayVar(&l.serverFiles, "servers", nil, "servers file that adds to and overrides the shipped profiles")
	c.Flags().StringArrayVar(&l.modelFiles, "models", nil, "models file that adds to and overrides the shipped models")
}

// load reads the shipped files, then the user's own, then those of the flags.
func (l libraryFlags) load(p process) (*dsl.Library, error) {
	return files.Sources{Own: p.configDir, Models: l.modelFiles, Servers: l.serverFiles,
		Compile: p.renderer.Compile}.Library()
}
