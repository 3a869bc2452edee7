// Package scenarios holds the scenarios that homellm ships with, and the documents they inject.
//
// They are plain files: what the program holds is what is in this folder, which a test checks, and a user who copies
// one has everything it needs. After a change: go test . -run Packed -update
package scenarios

import (
	"embed"

	"homellm/engine/packed"
)

//go:embed packed
var embedded embed.FS

// FS has the scenarios at its root, their documents in documents/ and their data sets in questions/, so that the
// paths in a scenario mean the same here as on disk.
var FS = packed.In(embedded, "packed")
