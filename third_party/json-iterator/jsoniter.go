// Package jsoniter stands in for github.com/json-iterator/go. The only one to import it is gonja, whose filter pprint
// calls one function; the package itself would bring 0.6 MB of readers and writers that nothing calls, and which the
// linker cannot leave out.
package jsoniter

import "encoding/json"

// MarshalIndent is that of encoding/json.
func MarshalIndent(v any, prefix, indent string) ([]byte, error) {
	return json.MarshalIndent(v, prefix, indent)
}
