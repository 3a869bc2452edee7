package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// What people write wrongly, where it is found, and what they are told to write. @ stands where the caret must be.
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
		{"parentheses", "a: @(b: [c])\n", "stands in braces: {b: [c]}"},
		{"colon in a text", "a: @Answer: no\n", `a text with ": " in it must be quoted`},
		{"no blank behind the colon", "a:\n  b: 1\n  @c:2\n", "write a blank behind the colon: c: 2"},
		{"no colon", "a:\n  b: 1\n  @c two\n", "write a colon behind the key: c: two"},
		{"no blank behind the dash", "a:\n  - b: 1\n  @-c: 2\n", "write a blank behind the dash: - c: 2"},
		{"block not indented", "a:\n  b: |\n  @text\n", "indent the text further"},
		{"number with a comma", "a: {b: 1,@000}\n", "1000"},
		{"duration like a clock", "a: @1:30\n", "1m30s"},
		{"entry without its dash", "a:\n  - b: 1\n    c: 2\n    @b: 3\n", `begin a new entry with "- "`},
		{"the same key twice", "a: 1\n@a: 2\n", "remove one of the two"},
		{"cut off", "a: @What is #1?\n", "quote the whole text"},
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

// A word behind a # is a comment where a blank stands between them, and so is what stands far behind a text.
func TestCutOff_LeavesCommentsAlone(t *testing.T) {
	for _, text := range []string{"a: b # c", "a: b  #c", "a: b ## c", "a: 'b' #c", "a: b#c", "a: b #", "a: 1 #c"} {
		if _, _, diags := Read("f.yaml", []byte(text)); len(diags) > 0 {
			t.Errorf("%s: %v", text, diags)
		}
	}
}
