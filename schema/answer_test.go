package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func doc(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAnswerSchema_Check(t *testing.T) {
	s, problems := NewAnswerSchema(doc(t, `{
		"type": "object", "required": ["name", "torque"], "additionalProperties": false,
		"properties": {
			"name": {"type": "string", "minLength": 1}, "torque": {"$ref": "#/definitions/nm"},
			"tags": {"type": "array", "items": {"enum": ["a", "b"]}}
		},
		"definitions": {"nm": {"type": "number", "minimum": 0, "maximum": 100}}
	}`))
	if s == nil {
		t.Fatal(problems)
	}
	for text, want := range map[string]string{
		`{"name": "pump", "torque": 41}`:                                    "",
		"```json\n{\"name\": \"pump\", \"torque\": 41}\n```":                "",
		" {\"name\": \"pump\", \"torque\": 41, \"tags\": [\"a\", \"b\"]}\n": "",
		`{"name": "pump", "torque": "41 Nm"}`:                               "/torque: expected number, but got string",
		`{"name": "pump", "torque": 410}`:                                   "/torque: must be <= 100 but found 410",
		`{"name": "pump"}`:                                                  "missing properties: 'torque'",
		`{"name": "pump", "torque": 41, "z": 1, "y": 2, "x": 3}`:            "additionalProperties 'x', 'y', 'z' not allowed",
		`{"name": "pump", "torque": 41, "tags": ["a", "c", "d"]}`: "" +
			`/tags/1: value must be one of "a", "b" (and 1 more)`,
		`The torque is 41.`:                       "it is not JSON",
		`{"name": "pump", "torque": 41} as asked`: "it is not JSON",
		`{"name": "pump", "torque": 1e999}`:       "it is not JSON",
		``:                                        "it is not JSON",
	} {
		for range 20 { // the library's own order is that of Go's maps
			ok, why, err := s.Check(text)
			if err != nil || ok != (want == "") || !strings.HasPrefix(why, want) {
				t.Fatalf("%q: %t %q %v, want %q", text, ok, why, err, want)
			}
		}
	}
}

func TestNewAnswerSchema_Problems(t *testing.T) {
	for text, want := range map[string]string{
		`{"tpye": "object"}`:                           `[] tpye unknown keyword "tpye"`,
		`{"properties": {"a": {"minimun": 1}}}`:        `[properties a] minimun unknown keyword "minimun"`,
		`{"properties": {"minimun": {"minimum": 1}}}`:  "", // the name of a property
		`{"enum": [{"tpye": 1}]}`:                      "", // data
		`{"$ref": "http://localhost/x.json"}`:          "[$ref]  http://localhost/x.json leads to nothing",
		`{"$ref": "file:///etc/passwd"}`:               "[$ref]  file:///etc/passwd leads to nothing",
		`{"$ref": "#/definitions/none"}`:               "[$ref]  #/definitions/none leads to nothing",
		`{"$id": "http://localhost/", "type": "null"}`: "[] $id $id is not possible here",
		`{"type": "objekt"}`:                           "[type]",
		`{"type": "string", "pattern": "(?=x)"}`:       "[pattern]  no regular expression",
		`{"format": "e-mail"}`:                         "[format]  unknown format e-mail",
		`{"minLength": "3"}`:                           "[minLength]",
		`{"properties": {"a": 3}}`:                     "[properties a]  a schema is a mapping",
		`3`:                                            "[]  a schema is a mapping",
		`{"definitions": {"a": {"items": {"$ref": "#/definitions/a"}}}, "$ref": "#/definitions/a"}`:              "[] $ref keys beside $ref are ignored",
		`{"definitions": {"a": {"items": {"$ref": "#/definitions/a"}}}, "allOf": [{"$ref": "#/definitions/a"}]}`: "[definitions a items] $ref #/definitions/a refers to itself",
	} {
		s, problems := NewAnswerSchema(doc(t, text))
		got := ""
		if len(problems) > 0 {
			got = fmt.Sprintf("%v %s %s", problems[0].Path, problems[0].Key, problems[0].Message)
		}
		if (s == nil) != (want != "") || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestShape_Bounds checks that no schema and no answer takes long, whoever wrote it.
func TestAnswerSchema_Bounds(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"definitions": {"d0": {"type": "string"}`)
	for i := range 40 { // 2^40 rules
		fmt.Fprintf(&b, `, "d%d": {"allOf": [{"$ref": "#/definitions/d%d"}, {"$ref": "#/definitions/d%d"}]}`, i+1, i, i)
	}
	b.WriteString(`}, "allOf": [{"$ref": "#/definitions/d40"}]}`)
	if s, problems := NewAnswerSchema(doc(t, b.String())); s != nil || problems[0].Rule != "size" {
		t.Errorf("a schema that doubles forty times is taken: %v", problems)
	}
	long := strings.TrimSuffix(strings.Repeat(`"a",`, 100_000), ",")
	for _, text := range []string{
		`{"pattern": "x{1000}y{1000}z{1000}"}`, `{"patternProperties": {"((x{10}){10}){10}y{1000}": true}}`, `{"enum": [` +
			long + `]}`, `{"required": [` + long + `]}`,
		`{"dependencies": {"a": [` + long + `]}}`, `{"definitions": {"a": {"pattern": "x{900}"}}, "allOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/a"}, {"$ref": "#/definitions/a"}]}`,
	} {
		if s, problems := NewAnswerSchema(doc(t, text)); s != nil || problems[0].Rule != "size" {
			t.Errorf("%.60s is taken: %v", text, problems)
		}
	}
	s, _ := NewAnswerSchema(doc(t, `{"uniqueItems": true}`))
	for _, text := range []string{
		"[" + strings.TrimSuffix(strings.Repeat("1,", mostValues+1), ",") + "]",
		`"` + strings.Repeat("x", mostText) + `"`,
	} {
		if _, _, err := s.Check(text); err == nil {
			t.Errorf("a text of %d bytes is checked", len(text))
		}
	}
	// Rules times values: each could be met, missed and kept.
	many := []any{}
	for range mostRules - 10 {
		many = append(many, map[string]any{"type": "string"})
	}
	wide, problems := NewAnswerSchema(map[string]any{"items": map[string]any{"anyOf": many}})
	if wide == nil {
		t.Fatal(problems)
	}
	if _, _, err := wide.Check("[" + strings.TrimSuffix(strings.Repeat("1,", 1000), ",") + "]"); err == nil {
		t.Error("a thousand values are held against two thousand rules each")
	}
	if ok, _, err := wide.Check("[" + strings.TrimSuffix(strings.Repeat("1,", 200), ",") + "]"); ok || err != nil {
		t.Errorf("two hundred values: %t %v", ok, err)
	}
	listed := []any{}
	for i := range mostRules + 1 {
		listed = append(listed, float64(i))
	}
	if s, problems := NewAnswerSchema(map[string]any{"enum": listed}); s != nil || problems[0].Rule != "size" {
		t.Errorf("an endless list of values is taken: %v", problems)
	}
	if ok, _, err := s.Check(strings.Repeat("[", 11_000) + strings.Repeat("]", 11_000)); ok || err != nil {
		t.Errorf("a deep text: %t %v", ok, err)
	}
}
