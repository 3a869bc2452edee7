package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// object is a JSON object.
type object = map[string]any

// null is a field that is there without a value. vLLM tells it apart from one that is not there.
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

// orDefault is a value, or another where it is 0.
func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}
