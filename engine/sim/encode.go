package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// object is a JSON object.
type object = map[string]any

// null is the value of a field that is present but empty, which vLLM distinguishes from an absent field.
var null = json.RawMessage("null")

// encode writes a value as vLLM does, without escaping < > &.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err)) // our own types always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// orDefault returns a value, or a default if it is 0.
func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}
