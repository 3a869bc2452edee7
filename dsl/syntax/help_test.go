package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// Common mistakes, where they are found, and what the help says to write. @ marks the position of the caret.
func TestHelp(t *testing.T) {
	for _, c := range []struct{ name, text, help string }{
		{"entry too far left", "a:\n    - b: 1\n   @- c: 2\n", `column 4, and "- b:" of line 2 in column 5`},
		{"entry too far left, behind deeper ones",
			"a:\n    - b: 1\n      l:\n        - x\n   @- c: 2\n", `"- b:" of line 2 in column 5`},
		{"key too far left", "a:\n  - b: 1\n   @c: 2\n", `column 4, and "b:" of line 2 in column 5`},
		{"key too far right", "a:\n  - b: @one\n      c: 2\n", `line 3 is indented too far: "c:" begins in column 7, and "b:" of line 2 in column 5`},
		{"key too far right, behind a comment",
			"a:\n  b: one\n  # why\n\n    @c: 2\n", `column 5, and "b:" of line 2 in column 3`},
		{"first key too far right", "a: @1\n  b: 2\n", `line 2 is indented too far: "b:" begins in column 3`},
		{"tab", "a:\n@\tb: 1\n", "indent with blanks"},
		{"in", "- \"41\" @in turn.text\n", "write it the other way round: turn.text contains \"41\""},
		{"in, behind a key", "that: '41' @in turn.text\n", "write it the other way round: turn.text contains '41'"},
		{"goes on", "- \"41\" @== turn.text\n", `quote the whole of it, '"41" == turn.text'`},
		{"goes on, other quotes", "- '41' @== turn.text\n", `quote the whole of it, "'41' == turn.text"`},
		{"goes on, both quotes", "- '41' @== \"x\"\n", "quote the whole of it"},
		{"quote closed by a later one", "a: \"one\nb: \"@two\"\n", "the \" of line 1, column 4 is closed here"},
		{"quote not closed", "a: @'one\nb: 2\n", "close the quote that opens here"},
		{"alias", "a: *b* @c\n", "begins with * must be quoted"},
		{"anchor", "a: @&b c: d\n", ""},
		{"reserved", "a: @`b`\n", "begins with ` must be quoted"},
		{"reserved, at", "a: @@b\n", "begins with @ must be quoted"},
		{"brace not closed", "a: {b: [c]\n@d: 1\n", "the { of line 1, column 4 is not closed"},
		{"bracket not closed in braces", "a: {b: [c@}\n", "the [ of line 1, column 8 is not closed"},
		{"bracket not closed at the end", "a: @[b\n", "the [ of line 1, column 4 is not closed"},
		{"bracket in quotes is none", "a: {b: \"[\", c: '{'\n@d: 1\n", "the { of line 1, column 4 is not closed"},
		{"bracket in a comment is none", "a: @{b: 1, # [\nd: 1\n", "the { of line 1, column 4 is not closed"},
		{"too many braces", "a: {b: [c]}@}\n", "this } closes nothing"},
		{"parentheses", "a: @(b: [c])\n", "is written in braces: {b: [c]}"},
		{"colon in a text", "a: @Answer: no\n", `a text with ": " in it must be quoted`},
		{"no blank behind the colon", "a:\n  b: 1\n  @c:2\n", "write a blank behind the colon: c: 2"},
		{"no colon", "a:\n  b: 1\n  @c two\n", "write a colon behind the key: c: two"},
		{"no blank behind the dash", "a:\n  - b: 1\n  @-c: 2\n", "write a blank behind the dash: - c: 2"},
		{"block not indented", "a:\n  b: |\n  @text\n", "indent the text further"},
		{"number with a comma", "a: {b: 1,@000}\n", "1000"},
		{"duration like a clock", "a: @1:30\n", "1m30s"},
		{"entry without its dash", "a:\n  - b: 1\n    c: 2\n    @b: 3\n", `begin a new entry with "- "`},
		{"the same key twice", "a: 1\n@a: 2\n", "remove one of the two"},
		{"entry too far right", "a:\n  - b: one\n    @- c: two\n",
			`line 3 is indented too far: "- c:" begins in column 5, and "- b:" of line 2 in column 3`},
		{"entry too far right, behind a key", "a:\n  - b: one\n    d: 1\n    @- c: two\n",
			`"- c:" begins in column 5, and "- b:" of line 2 in column 3`},
		{"entry too far right, further", "a:\n  - b: one\n      @- c: two\n", "quote the text from line 2 on"},
		{"entry of texts too far right", "a:\n  - one\n    @- two\n", "indent it as the entry that it belongs beside"},
		{"entry below a text", "a: one\n\n  @- two # why\n", "quote the text from line 1 on"},
		{"curly quotes", "a: @“one”\n", "write straight quotes"},
		{"other curly quotes", "a: @„one“\n", "write straight quotes"},
		{"curly quotes around a colon", "a: @“one: two”\n", "write straight quotes"},
		{"cut off", "a: @What is #1?\n", "quote the whole text"},
		{"comment for a text", "a: @#1 what?\n", "quote the whole text"},
		{"anchor without a value", "a: @& so?\nb: 1\n", "begins with & must be quoted"},
		{"fence", "@```yaml\na: 1\n", "``` is Markdown"},
		{"fence at the end", "a: 1\n@```\n", "``` is Markdown"},
		{"fence that is indented", "a:\n  - b\n  @```\n", "``` is Markdown"},
		{"language of a fence", "@yaml\na: 1\n", "every line is a key with a value"},
		{"comment of another language", "@// a\nb: 1\n", "a comment begins with #"},
		{"reference in braces", "a: {b: $@{vars.n}, c: 1}\n", `quote a reference: "${vars.n}"`},
		{"reference with blanks", "a: {b: $@{ vars.n }, c: 1}\n", `quote a reference: "${vars.n}"`},
		{"reference to nothing", "a: {b: $@{n}}\n", `"${vars.n}" or "${matrix.n}"`},
		{"reference of GitHub", "a: {b: $@{{ vars.n }}}\n", `quote a reference: "${vars.n}"`},
		{"reference of Jinja", "a: {b: {@{vars.n}}}\n", `quote a reference: "${vars.n}"`},
		{"reference of Windows", "a: {b: @%vars.n%}\n", `quote a reference: "${vars.n}"`},
		{"list before a text", "a: [b] @is c\n", "begins with [ must be quoted"},
		{"mapping before a text", "a: {b} @is c\n", "begins with { must be quoted"},
		{"bullet", "a:\n  • b@: 1\n    c: 2\n", `begins with "- ", and not with "•"`},
		{"dash of typography", "a:\n  – b@: 1\n    c: 2\n", `begins with "- ", and not with "–"`},
		{"star", "a:\n  * b: 1\n    @c: 2\n", `and not with "*" as in line 2`},
		{"text behind a bar", "a: @| b\n", "must be quoted; one of several lines begins on the line below"},
		{"more than", "a: @> 5?\n", "begins with > must be quoted"},
		{"list behind its key", "a: @- b\n", "in brackets: [b]"},
		{"two commas", "a: {b: 1,@, c: 2}\n", "two commas"},
		{"list in braces", "a: {@[1, 2]}\n", "a list is written in [ ]"},
		{"no blank behind the colon of an entry", "a:\n  - @b:c\n    d: 1\n", "write a blank behind the colon: b: c"},
		{"equals sign", "a:\n  b: 1\n  @c = two\n", "write a colon behind the key: c: two"},
		{"arrow", "a:\n  b: 1\n  @c -> two\n", "write a colon behind the key: c: two"},
		{"blank of another kind", "a:\n  b: 1\n  @c:\u00a02\n", "U+00A0"},
		{"colon of another kind", "a:\n  b: 1\n  @c：2\n", "write a plain colon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, line, col := c.text, 0, 0
			for n, l := range strings.Split(c.text, "\n") {
				if i := strings.Index(l, "@"); i >= 0 {
					line, col = n+1, i+1
					text = strings.Replace(c.text, "@", "", 1)
					break
				}
			}
			_, _, diags := Read("f.yaml", []byte(text))
			if len(diags) == 0 {
				t.Fatal("nothing is found")
			}
			d := diags[0]
			if got, want := fmt.Sprint(d.Pos.Line, ":", d.Pos.Col), fmt.Sprint(line, ":", col); got != want {
				t.Errorf("it is found at %s, want %s: %s", got, want, d.Message)
			}
			if !strings.Contains(d.Help, c.help) || c.help != "" && d.Help == "" {
				t.Errorf("%s: the help is %q, want %q", d.Message, d.Help, c.help)
			}
		})
	}
}

// A text with such quotes or with a dash in it is no mistake.
func TestMisread_LeavesTextsAlone(t *testing.T) {
	for _, text := range []string{"a: he said “no”", "a: '“no”'", "a: |\n  one\n  - two", "a: one\n  two - three",
		"- one\n- two", "a:\n- one two\n- two", "a: “no” he said", "a: >\n  x\n  - y"} {
		if _, _, diags := Read("f.yaml", []byte(text)); len(diags) > 0 {
			t.Errorf("%s: %v", text, diags)
		}
	}
}

// A word after a # is a comment if there is a space between them, and so is text far to the right of a value.
func TestCutOff_LeavesCommentsAlone(t *testing.T) {
	for _, text := range []string{"a: b # c", "a: b  #c", "a: b ## c", "a: 'b' #c", "a: b#c", "a: b #", "a: 1 #c"} {
		if _, _, diags := Read("f.yaml", []byte(text)); len(diags) > 0 {
			t.Errorf("%s: %v", text, diags)
		}
	}
}
