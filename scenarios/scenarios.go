// Package scenarios holds the scenarios that homellm ships with, and the documents they inject.
//
// They are plain files: what is embedded here is what is in this folder, and a user who copies
// one has everything it needs.
package scenarios

import "embed"

// FS has the scenarios at its root and their documents in documents/, so that the paths in a
// scenario mean the same here as on disk.
//
//go:embed *.yaml documents
var FS embed.FS
