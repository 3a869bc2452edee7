package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// macros are the instructions that a manual page may have; any other line that begins with a point is a text of ours.
var macros = regexp.MustCompile(`^\.(TH|SH|PP|TP|nf|fi)( |$)`)

// TestMan: each command has a page with all its flags, and nothing in a text is taken for an instruction.
func TestMan(t *testing.T) {
	all := documented(newRoot(process{}))
	if len(all) < 30 {
		t.Fatalf("%d pages", len(all))
	}
	for _, c := range all {
		page := string(manual(c))
		name := pageName(c)
		if !strings.HasPrefix(page, `.TH "`+strings.ToUpper(name)+`" 1 `) {
			t.Errorf("%s begins with %.60q", name, page)
		}
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !macros.MatchString(strings.TrimSpace(line)) {
				t.Errorf("%s: this is read as an instruction: %q", name, line)
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, `\fB`+strings.ReplaceAll("--"+f.Name, "-", `\-`)+`\fR`) {
				t.Errorf("%s does not have --%s", name, f.Name)
			}
		})
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && !strings.Contains(page, strings.ReplaceAll(pageName(sub), "-", `\-`)+`\fR(1)`) {
				t.Errorf("%s does not point to %s", name, sub.CommandPath())
			}
		}
	}
	if got, want := roff(".x \\ a-b\n'y"), `\&.x \e a\-b`+"\n"+`\&'y`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
