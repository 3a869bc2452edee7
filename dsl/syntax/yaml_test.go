package syntax

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/processor"
)

// TestPositions finds every marked rune of a value again in the file. In the texts of the
// table, @ marks where the value x or the rune ! of a value stands.
func TestPositions(t *testing.T) {
	for _, c := range []struct {
		name   string
		text   string
		path   []string
		offset int
		line   int
		col    int
	}{
		{"plain", "a: hello", []string{"a"}, 2, 1, 6},
		{"plain, start", "a: hello", []string{"a"}, 0, 1, 4},
		{"plain, end", "a: hello", []string{"a"}, 5, 1, 9},
		{"plain with a comment", "a: hello   # five", []string{"a"}, 4, 1, 8},
		{"after wide characters", "ü ö: [é, ñandú > 1]", []string{"ü ö", "1"}, 6, 1, 16},
		{"single quotes", "a: 'x > 1'", []string{"a"}, 2, 1, 7},
		{"double quotes", `a: "x > 1"`, []string{"a"}, 2, 1, 7},
		{"double quotes with an escape before", `a: "x\ty > 1"`, []string{"a"}, 4, 1, 4},
		{"single quotes with a quote before", `a: 'it''s > 1'`, []string{"a"}, 6, 1, 4},
		{"double quotes, before the escape", `a: "x > 1\t"`, []string{"a"}, 2, 1, 7},
		{"list", "a:\n  - one\n  -   two", []string{"a", "1"}, 1, 3, 8},
		{"flow", "a: {b: [1, zwei]}", []string{"a", "b", "1"}, 3, 1, 15},
		{"literal block, first line", "a: |\n  one\n  two\n", []string{"a"}, 0, 2, 3},
		{"literal block, second line", "a: |\n  one\n  two\n", []string{"a"}, 6, 3, 5},
		{"literal block with an inner indent", "a: |\n  one\n    two\n", []string{"a"}, 8, 3, 7},
		{"literal block that starts deeper", "a:\n  - |2\n      one\n    two\n", []string{"a", "0"}, 6, 4, 5},
		{"literal block after a blank line", "a: |-\n\n    one\n    two", []string{"a"}, 1, 3, 5},
		{"literal block with a comment on its header", "a: | # note\n  one\n  two\n", []string{"a"}, 4, 3, 3},
		{"literal block, wide characters", "a: |\n  öäü x\n", []string{"a"}, 4, 2, 7},
		{"folded block", "a: >\n  one\n  two\n", []string{"a"}, 5, 1, 4},
		{"plain over two lines, first", "a: one\n  two", []string{"a"}, 1, 1, 5},
		{"plain over two lines, second", "a: one\n  two", []string{"a"}, 5, 1, 4},
		{"alias", "a: &x hello\nb: *x", []string{"b"}, 1, 1, 8},
		{"carriage returns", "a: one\r\nb: |\r\n  two\r\n  three\r\n", []string{"b"}, 4, 4, 3},
		{"byte order mark", "\ufeffa: one", []string{"a"}, 1, 1, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, root, diags := Read("f.yaml", []byte(c.text))
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			n := root.Locate(c.path)
			if n == nil {
				t.Fatal("no such value")
			}
			if got, want := src.At(n, c.offset), (Pos{"f.yaml", c.line, c.col}); got != want {
				t.Errorf("rune %d of %q is at %v, want %v", c.offset, n.Text(), got, want)
			}
		})
	}
}

func TestScalars(t *testing.T) {
	for text, want := range map[string]any{
		"1": 1, "-3": -3, "0": 0, "1.5": 1.5, "1e3": 1000.0, "-1.5e-3": -0.0015, "1.10": 1.1,
		"true": true, "False": false, "yes": "yes", "on": "on", "NO": "NO",
		"null": nil, "~": nil, "": nil, "Null": nil,
		"2020-01-01": "2020-01-01", "1.2.3": "1.2.3", "0.5.1": "0.5.1", "v1": "v1", "12ab": "12ab", "1,000": "1,000",
		`"1"`: "1", `'010'`: "010", `"\u00e9\n"`: "é\n", `''`: "", "'it''s'": "it's",
		"180s": "180s", "90%": "90%", "http://x:80/a": "http://x:80/a", "a#b": "a#b", "a # b": "a",
		"<": "<", "-": nil, "+": "+", ".": ".", "e3": "e3", "1e": "1e", "9223372036854775807": 9223372036854775807,
		"turn.x > 1 && !y": "turn.x > 1 && !y", "$x": "$x",
	} {
		if text == "-" {
			continue // an empty list entry, which is reported
		}
		_, root, diags := Read("f.yaml", []byte("k: "+text+"\n"))
		if len(diags) > 0 {
			t.Errorf("%q: %v", text, diags)
			continue
		}
		if got := root.Get("k").Scalar; got != want {
			t.Errorf("%q is %#v, want %#v", text, got, want)
		}
	}
}

func TestAliasesAreCopies(t *testing.T) {
	_, root, diags := Read("f.yaml", []byte("a: &x [1, {b: two}]\nc: *x\nd: &x 3\ne: *x\n"))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	list := []any{1, map[string]any{"b": "two"}}
	if diff := cmp.Diff(map[string]any{"a": list, "c": list, "d": 3, "e": 3}, root.Plain()); diff != "" {
		t.Error(diff)
	}
}

// TestHostileFiles feeds what a generator or an attacker would, and allows little processor time.
func TestHostileFiles(t *testing.T) {
	var bomb, indented, flow strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for i := range 1400 {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	flow.WriteString("a: {")
	for i := range 30_000 {
		fmt.Fprintf(&flow, "k%d: 1, ", i)
	}
	flow.WriteString("}")
	for name, c := range map[string]struct{ text, code string }{
		"alias bomb":         {bomb.String(), "yaml/alias"},
		"ten megabytes":      {"a: " + strings.Repeat("x", 10<<20), "yaml/size"},
		"binary":             {"\x7fELF\x02\x01\x01\x00\x00\x00", "yaml/encoding"},
		"not UTF-8":          {"a: \xff\xfe", "yaml/encoding"},
		"surrogate":          {"a: \xed\xa0\x80", "yaml/encoding"},
		"NUL":                {"a: b\x00c", "yaml/encoding"},
		"lone CR":            {"a: b\rc: d", "yaml/encoding"},
		"empty":              {"", "yaml/empty"},
		"blank":              {" \n\n", "yaml/empty"},
		"comment":            {"# nothing", "yaml/empty"},
		"markers":            {"---\n...\n", "yaml/empty"},
		"two documents":      {"a: 1\n---\nb: 2\n", "yaml/documents"},
		"many documents":     {strings.Repeat("---\na: 1\n", 10_000), "yaml/documents"},
		"open brackets":      {strings.Repeat("[", 1<<20), "yaml/syntax"},
		"open braces":        {strings.Repeat("{", 1<<20), "yaml/syntax"},
		"dashes":             {strings.Repeat("- ", 1<<19), "yaml/syntax"},
		"question marks":     {strings.Repeat("? ", 1<<19), "yaml/syntax"},
		"anchors":            {strings.Repeat("&a ", 1<<18), "yaml/syntax"},
		"tags":               {strings.Repeat("!a ", 1<<18), "yaml/syntax"},
		"indentation":        {indented.String(), "yaml/syntax"},
		"many keys":          {strings.Repeat("a: 1\n", 200_000), "yaml/syntax"},
		"many keys on a row": {flow.String(), "yaml/syntax"},
		"duplicate keys":     {strings.Repeat("a: 1\n", 5_000), "yaml/more"},
		"self reference":     {"a: &a {b: *a}", "yaml/alias"},
		"not a number":       {"a: .nan", "yaml/number"},
		"merge":              {"a: &a {b: 1}\nc: {<<: *a}", "yaml/merge"},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := processor.Time()
			_, _, diags := Read("f.yaml", []byte(c.text))
			if after, _ := processor.Time(); after-before > 10*time.Second {
				t.Errorf("took %v of processor time", after-before)
			}
			found := false
			for _, d := range diags {
				found = found || d.Code == c.code
			}
			if !found || len(diags) > maxFindings+1 {
				t.Errorf("want %s, got %d findings: %.300v", c.code, len(diags), diags)
			}
		})
	}
}
