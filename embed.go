// Package homellm holds the servers and models that come with the program. A user's own files
// add to them and override them.
package homellm

import _ "embed"

// Servers is the shipped servers file.
//
//go:embed servers.yaml
var Servers []byte

// Models is the shipped models file.
//
//go:embed models.yaml
var Models []byte
