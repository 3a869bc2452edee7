// Package schema holds the JSON Schema (draft-07) of every kind of homellm file, for editors and for this program,
// and says what is wrong with a document and how to fix it.
//
// It does not know YAML or positions: it gets plain JSON values and identifies places by the keys and indexes that
// lead to them.
package schema

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"homellm/engine/packed"
)

// Compressed they are a fifth as large, and most commands read four of them. After a change of a schema:
// go test . -run Packed -update
//
//go:embed packed
var embedded embed.FS

var files = packed.In(embedded, "packed")

// fileNames maps kinds to the names of their schemas' files, such as scenario.v1.json.
var fileNames = func() map[string]string {
	all := map[string]string{}
	entries, _ := files.ReadDir(".") // an embedded folder can always be read
	for _, e := range entries {
		kind, _, _ := strings.Cut(e.Name(), ".")
		all[kind] = e.Name()
	}
	return all
}()

// compiled holds each kind's schema; it is compiled when it is first used.
var compiled = func() map[string]func() (*jsonschema.Schema, error) {
	all := map[string]func() (*jsonschema.Schema, error){}
	for kind := range fileNames {
		all[kind] = sync.OnceValues(func() (*jsonschema.Schema, error) { return compile(kind) })
	}
	return all
}()

// Kinds returns the kinds of files that have a schema, in order. The first key of a file names
// its kind: "schema: homellm.<kind>/v1".
func Kinds() []string {
	var kinds []string
	for kind := range compiled {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// Written returns the kinds of files that people write. All others are documents that homellm writes.
func Written() []string { return []string{"gates", "models", "scenario", "servers"} }

// Source returns the schema of a kind as JSON text, or nil if there is no such kind.
func Source(kind string) []byte {
	data, err := files.ReadFile(fileNames[kind])
	if err != nil {
		return nil
	}
	return data
}

// Name returns the name of the file of a kind's schema, with its version, such as scenario.v1.json.
func Name(kind string) string { return fileNames[kind] }

func compile(kind string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft7
	c.ExtractAnnotations = true
	c.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("schema %s refers to %s, which is not loaded", kind, url)
	}
	url := fileNames[kind]
	if err := c.AddResource(url, bytes.NewReader(Source(kind))); err != nil {
		return nil, fmt.Errorf("reading schema %s: %w", kind, err)
	}
	s, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("compiling schema %s: %w", kind, err)
	}
	return s, nil
}

// Problem is one error of a document.
type Problem struct {
	Path    []string // keys and indexes that lead to the value
	Key     string   // a key of that value, if the key itself is wrong
	Rule    string   // one of Rules
	Message string
	Help    string
	Known   []string // the possible keys or values
	Meant   string   // the one of them that others call so; empty: none
	Missing []string // the missing keys
}

// Rules lists the rules of a Problem with their meaning.
var Rules = []struct{ Name, Doc string }{
	{"unknown-key", "a mapping has a key that means nothing there"},
	{"missing-key", "a mapping lacks a key that it must have"},
	{"one-of", "a mapping must have exactly one of several keys"},
	{"key-format", "a key is not of the form it must have"},
	{"type", "a value is of another type than it must be"},
	{"value", "a value is not one of those that are possible"},
	{"format", "a text is not of the form it must have"},
	{"range", "a number is too small or too large"},
	{"size", "a text, list or mapping is too short or too long"},
	{"unique", "a list has the same value twice"},
	{"invalid", "the document does not match the schema"},
}

// Validate returns the errors of a document, given as values of encoding/json's types, with int besides float64. It
// returns nil for a valid one, and never panics. The order is that of the paths; among the keys of a mapping, it is
// alphabetical.
func Validate(kind string, doc any) (problems []Problem) {
	defer func() {
		if p := recover(); p != nil {
			problems = []Problem{{Rule: "invalid", Message: fmt.Sprintf("the document cannot be checked: %v", p)}}
		}
	}()
	get, ok := compiled[kind]
	if !ok {
		return []Problem{{Rule: "invalid", Message: fmt.Sprintf("there is no schema for %q files", kind)}}
	}
	s, err := get()
	if err != nil {
		return []Problem{{Rule: "invalid", Message: err.Error()}}
	}
	ok, message := check(s, doc)
	if ok {
		return nil
	}
	var e explainer
	e.explain(s, doc, nil)
	if len(e.problems) == 0 {
		e.add(nil, "invalid", "%s", message)
	}
	return e.problems
}

// check reports whether a value matches a schema, and the library's message if not.
func check(s *jsonschema.Schema, v any) (ok bool, message string) {
	err := s.Validate(v)
	if err == nil {
		return true, ""
	}
	if ve, isVE := errors.AsType[*jsonschema.ValidationError](err); isVE {
		for len(ve.Causes) > 0 {
			ve = ve.Causes[0]
		}
		return false, ve.Message
	}
	return false, err.Error()
}
