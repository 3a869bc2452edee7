package main

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"homellm/engine/listing"
)

func newVersion(p process) *cobra.Command {
	var shown lookFlags
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := shown.check(); err != nil {
				return err
			}
			return shown.write(p.stdout, versionDocument())
		},
	}
	shown.add(c, listing.Versioned)
	return c
}

// versionDocument describes this program and its build.
func versionDocument() listing.Version {
	return listing.OfVersion(version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// versionLine returns its text.
func versionLine() string {
	var b strings.Builder
	_ = versionDocument().WriteText(&b) // a strings.Builder never fails
	return b.String()
}

// version is what the Go toolchain recorded: the module's version, or the commit of a build from
// a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if len(revision) >= 12 {
		return "devel-" + revision[:12] + dirty
	}
	return "devel"
}
