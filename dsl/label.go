package dsl

import "strings"

// The axes that name entries of the library.
const (
	serverAxis = "server"
	modelAxis  = "model"
)

// BoxAxis is the axis that names machines, and the key of what is required of one.
const BoxAxis = "box"

// Here is the name of this machine in that axis, if it is in no fleet.
const Here = "here"

// Label is one coordinate of a cell.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Coordinates names values of axes in messages: into=turn, size=64.
func Coordinates(labels []Label) string {
	var parts []string
	for _, l := range labels {
		parts = append(parts, l.Name+"="+strings.Join(strings.Fields(l.Value), " "))
	}
	return strings.Join(parts, ", ")
}
