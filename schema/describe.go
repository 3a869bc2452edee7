package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Property is one key of a kind of file.
type Property struct {
	Kind        string   // of the file
	Path        string   // such as conversations[].steps[].inject.into; <name> is any name that the author chooses
	Type        string   // in words, such as "a text or a list"
	Values      []string // the possible values, if there are few
	Default     any      // the default; nil if that cannot be said in a word
	Example     string   // an example in YAML on one line; empty if the type says enough
	Required    bool
	Description string
}

// Key returns the last part of the path.
func (p Property) Key() string {
	path := strings.TrimSuffix(p.Path, "[]")
	return path[strings.LastIndexByte(path, '.')+1:]
}

// Properties lists every key of a kind of file, outer ones before inner ones.
func Properties(kind string) []Property {
	get, ok := compiled[kind]
	if !ok {
		return nil
	}
	s, err := get()
	if err != nil {
		return nil
	}
	var out []Property
	walk(s, "", func(p Property) {
		p.Kind = kind
		if !slices.ContainsFunc(out, func(o Property) bool { return o.Path == p.Path }) {
			out = append(out, p)
		}
	})
	return out
}

// Describe returns the keys of a kind of file that have the given name or path.
func Describe(kind, key string) []Property {
	return slices.DeleteFunc(Properties(kind), func(p Property) bool {
		return p.Path != key && p.Key() != key && strings.ReplaceAll(p.Path, "[]", "") != key
	})
}

// walk calls f for each property below a schema. It looks through schemas that only wrap another: allOf, anyOf and
// references.
func walk(s *jsonschema.Schema, path string, f func(Property)) {
	s = resolve(s)
	for _, sub := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		walk(sub, path, f)
	}
	if items, ok := s.Items.(*jsonschema.Schema); ok {
		walk(items, path+"[]", f)
	}
	prefix := path
	if prefix != "" {
		prefix += "."
	}
	for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
		sub := s.Properties[key]
		f(Property{
			Path: prefix + key, Type: typeOf(sub), Values: values(sub),
			Default: resolve(sub).Default, Example: exampleOf(sub), Required: slices.Contains(s.Required, key),
			Description: description(sub),
		})
		walk(sub, prefix+key, f)
	}
	if sub, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		f(Property{Path: prefix + "<name>", Type: typeOf(sub), Values: values(sub), Description: description(sub)})
		walk(sub, prefix+"<name>", f)
	}
}

// description returns the nearest description: the property's own, or that of what it refers to.
func description(s *jsonschema.Schema) string {
	if s.Description != "" {
		return s.Description
	}
	if s.Ref != nil {
		return description(s.Ref)
	}
	for _, sub := range s.AllOf {
		if d := description(sub); d != "" {
			return d
		}
	}
	return ""
}

// typeOf names the type of a value in words. References are left out, because they can replace any value.
func typeOf(s *jsonschema.Schema) string {
	s = resolve(s)
	if len(s.AllOf) == 1 && len(s.Types) == 0 {
		return typeOf(s.AllOf[0])
	}
	if alternatives := slices.Concat(s.AnyOf, s.OneOf); len(alternatives) > 0 && len(s.Types) == 0 {
		var names []string
		for _, sub := range alternatives {
			if name := typeOf(sub); !isReference(resolve(sub)) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return strings.Join(names, " or ")
	}
	return expected(s)
}

func values(s *jsonschema.Schema) []string {
	s = resolve(s)
	var out []string
	for _, v := range possible(s) {
		out = append(out, fmt.Sprint(v))
	}
	for _, sub := range slices.Concat(s.AllOf, s.AnyOf) {
		out = append(out, values(sub)...)
	}
	return out
}
