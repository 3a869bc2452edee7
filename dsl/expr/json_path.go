package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"homellm/schema"
)

// decoded returns the JSON value in a text.
func (r *runtime) decoded(text string) (any, error) {
	if r.answer == nil || r.answer.text != text {
		v, err := decodeAnswer(text)
		r.answer = &answerText{text, v, err}
	}
	if err := r.late(); err != nil {
		return nil, err
	}
	return r.answer.v, r.answer.err
}

func decodeAnswer(text string) (any, error) {
	inner, why, err := schema.Unfenced(text)
	switch {
	case err != nil:
		return nil, err
	case why != "":
		return nil, absent("%s", why)
	}
	in := json.NewDecoder(strings.NewReader(inner))
	in.UseNumber() // keeps all digits of a long number, which a float64 does not
	var v any
	if err := in.Decode(&v); err != nil {
		return nil, absent("the text is not JSON: %v", err)
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, absent("the text is not JSON alone: something follows the value")
	}
	return v, nil
}

// at returns the value at a path.
func (r *runtime) at(text string, i int) (v any, path string, err error) {
	p := r.program.paths[i]
	v, err = r.decoded(text)
	if err != nil {
		return nil, p.text, err
	}
	for _, key := range p.keys {
		found := false
		switch key := key.(type) {
		case string:
			object, _ := v.(map[string]any)
			v, found = object[key]
		case int:
			list, _ := v.([]any)
			if key < 0 {
				key += len(list)
			}
			if found = key >= 0 && key < len(list); found {
				v = list[key]
			}
		}
		if !found {
			return nil, p.text, absent("there is no %s in the JSON of the text", p.text)
		}
	}
	return v, p.text, nil
}

// jsonText returns a value as text: a string unchanged, everything else as JSON.
func (r *runtime) jsonText(text string, i int) (string, error) {
	v, _, err := r.at(text, i)
	if err != nil {
		return "", err
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	err = out.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func (r *runtime) jsonNumber(text string, i int) (float64, error) {
	v, path, err := r.at(text, i)
	if err != nil {
		return 0, err
	}
	n, ok := v.(json.Number)
	if !ok {
		return 0, absent("%s is %s, and no number", path, jsonKind(v))
	}
	f, err := n.Float64()
	if err != nil || math.Abs(f) > largest {
		return 0, fmt.Errorf("%s is not a number that can be compared", path)
	}
	return f, nil
}

func (r *runtime) jsonTruth(text string, i int) (bool, error) {
	v, path, err := r.at(text, i)
	if err != nil {
		return false, err
	}
	truth, ok := v.(bool)
	if !ok {
		return false, absent("%s is %s, and not true or false", path, jsonKind(v))
	}
	return truth, nil
}

func jsonKind(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "null"
}
