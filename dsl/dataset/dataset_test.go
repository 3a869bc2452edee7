package dataset

import (
	"fmt"
	"strings"
	"testing"
)

// TestRead holds that every form gives the same items, with the types that it can state.
func TestRead(t *testing.T) {
	for name, text := range map[string]string{
		"a.jsonl": "{\"q\": \"Say \\\"no\\\", please\", \"a\": 4}\n\n{\"q\": \"über\", \"a\": 5}\r\n",
		"a.json":  "[\n {\"q\": \"Say \\\"no\\\", please\", \"a\": 4},\n {\"q\": \"über\", \"a\": 5}]\n",
		"a.CSV":   "q,a\n\"Say \"\"no\"\", please\",4\nüber,5\n",
	} {
		s, found := Read(name, []byte(text))
		if s == nil {
			t.Errorf("%s: %v", name, found)
			continue
		}
		want := fmt.Sprint([]any{4, 5})
		if strings.EqualFold(name, "a.csv") {
			want = fmt.Sprintf("%q", []any{"4", "5"})
		}
		got := []any{s.Items[0].Values["a"], s.Items[1].Values["a"]}
		text := fmt.Sprintf("%v", got)
		if _, isText := got[0].(string); isText {
			text = fmt.Sprintf("%q", got)
		}
		if len(s.Items) != 2 || text != want || s.Items[0].Values["q"] != `Say "no", please` || s.Items[1].Values["q"] !=
			"über" || s.Items[1].N != 2 {
			t.Errorf("%s: %+v", name, s.Items)
		}
		if at := s.Finding(&s.Items[1], "a", "", "x").Pos; at.Line != 3 {
			t.Errorf("%s: the last answer is at %v", name, at)
		}
	}
	s, _ := Read("a.jsonl", []byte(`{"n": null, "l": [1, {"x": []}], "o": {}, "t": true, "f": 4.0, "big": 12345678901234567890}`))
	got := fmt.Sprintf("%#v", s.Items[0].Values)
	for _, want := range []string{`"n":"null"`, `"l":"a list"`, `"o":"an object"`, `"t":true`, `"f":4`,
		`"big":1.2345678901234567e+19`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestRead_Refused(t *testing.T) {
	good := strings.Repeat("{\"q\": \"é\"}\n", 16)
	for _, tt := range []struct{ name, text, want string }{
		{"a.jsonl", good + `{"é": 1,,}`, "a.jsonl:17:9: this is no JSON"},
		{"a.jsonl", good + `{"q": "x"`, "a.jsonl:17:10: this is no JSON: it ends too early"},
		{"a.jsonl", `{"q": "x"} {"q": "y"}`, "a.jsonl:1:12: something follows"},
		{"a.jsonl", `{"q": "x", "q": "y"}`, `a.jsonl:1:12: the item has two values of "q"`},
		{"a.jsonl", `{"q": 1e999}`, "a.jsonl:1:7: the number is too large"},
		{"a.jsonl", `"x"`, "a.jsonl:1:1: an item is an object, and this is text"},
		{"a.json", "[{\"q\": 1},\n 5]", "a.json:2:2: an item is an object, and this is a number"},
		{"a.json", "[{\"q\": 1}", "a.json:1:10: this is no JSON: it ends too early"},
		{"a.json", "[{\"q\": 1}]\n]", "a.json:2:1: something follows the list"},
		{"a.json", "[]", "a.json:1:1: it holds no item"},
		{"a.csv", "q,a\n", "a.csv:1:1: it holds no item"},
		{"a.csv", "q,a\nx,y\nx\n", "a.csv:3:1: this line has another number of columns than the header, which has 2"},
		{"a.csv", "q,a\nx,\"y\"z\n", "a.csv:2:5: this is no CSV"},
		{"a.csv", "q,\n", "a.csv:1:3: this column has no name"},
		{"a.csv", "q,q\n", `a.csv:1:3: there are two columns "q"`},
		{"a.csv", "q;a\nx;y\n", "a.csv:1:1: the header has one column with semicolons"},
		{"a.csv", "q\n\xff\n", "a.csv:1:1: it is not UTF-8 text"},
		{"a.csv", "q\n" + strings.Repeat("x\n", maxItems+1), "a.csv:100002:1: the data set has more than 100000 items"},
	} {
		s, found := Read(tt.name, []byte(tt.text))
		if s != nil || len(found) != 1 {
			t.Errorf("%.40q is read: %v", tt.text, found)
			continue
		}
		at := found[0].Pos
		if got := fmt.Sprintf("%s:%d:%d: %s", at.File, at.Line, at.Col, found[0].Message); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%.40q: %s, want %s", tt.text, got, tt.want)
		}
	}
}
