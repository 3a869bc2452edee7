package listing

import (
	"fmt"
	"io"
)

// Version is the version of the program and its build.
type Version struct {
	Schema  string `json:"schema"`
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// OfVersion returns the document of a version.
func OfVersion(version, built, system, arch string) Version {
	return Version{schemaOf("version"), version, built, system, arch}
}

// WriteText implements [Document].
func (d Version) WriteText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "homellm %s %s %s/%s\n", d.Version, d.Go, d.OS, d.Arch)
	return err
}
