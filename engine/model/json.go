package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// toJSON is Hugging Face's tojson for templates: without escapes for HTML or ASCII, with Python's spaces after commas
// and colons. A dict of the template keeps its order; a map from outside has none, and is sorted.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	args := params.Expect(0, []*exec.KwArg{
		{Name: "indent"}, {Name: "ensure_ascii"}, {Name: "separators"}, {Name: "sort_keys"},
	})
	if args.IsError() {
		return exec.AsValue(exec.ErrInvalidCall(args))
	}
	var b bytes.Buffer
	if err := writeJSON(&b, in); err != nil {
		return exec.AsValue(fmt.Errorf("tojson: %w", err))
	}
	if indent, ok := args.KwArgs["indent"]; ok && indent.IsInteger() {
		var wide bytes.Buffer
		if err := json.Indent(&wide, b.Bytes(), "", strings.Repeat(" ", indent.Integer())); err != nil {
			return exec.AsValue(fmt.Errorf("tojson: %w", err))
		}
		return exec.AsSafeValue(wide.String())
	}
	return exec.AsSafeValue(b.String())
}

func writeJSON(b *bytes.Buffer, v *exec.Value) error {
	if v.IsNil() {
		b.WriteString("null")
		return nil
	}
	switch x := v.Interface().(type) {
	case *exec.Dict:
		return writePairs(b, x.Pairs)
	case exec.Dict:
		return writePairs(b, x.Pairs)
	case map[string]any:
		var pairs []*exec.Pair
		for _, k := range slices.Sorted(maps.Keys(x)) {
			pairs = append(pairs, &exec.Pair{Key: exec.AsValue(k), Value: exec.AsValue(x[k])})
		}
		return writePairs(b, pairs)
	}
	if v.IsList() {
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := writeJSON(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	}
	var scalar bytes.Buffer
	enc := json.NewEncoder(&scalar)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v.Interface()); err != nil {
		return fmt.Errorf("encoding %s: %w", v.String(), err)
	}
	b.Write(bytes.TrimSpace(scalar.Bytes()))
	return nil
}

func writePairs(b *bytes.Buffer, pairs []*exec.Pair) error {
	b.WriteByte('{')
	for i, p := range pairs {
		if i > 0 {
			b.WriteString(", ")
		}
		if !p.Key.IsString() {
			return errors.New("a key is not a string")
		}
		if err := writeJSON(b, p.Key); err != nil {
			return err
		}
		b.WriteString(": ")
		if err := writeJSON(b, p.Value); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}
