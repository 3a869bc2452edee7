package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// sentences are the words that follow the name of the program in the sentences that it prints. Any
// other word there is taken for a command.
var sentences = strings.Fields(`can cannot did everywhere gates has is itself knows left plays reads
	renders scenarios shows started starts with writes`)

var (
	called   = regexp.MustCompile(`\bhomellm `)
	codeEnd  = regexp.MustCompile("[\n`]|\\bhomellm ")
	word     = regexp.MustCompile(`^[a-z][a-z-]*`)
	flagName = regexp.MustCompile(`^--([a-z][a-z-]*)`)
	codeSpan = regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]+`")
)

// TestMentionedCommands_Exist checks that every command which a message, a hint or a page tells the user to run has
// existing names and flags.
func TestMentionedCommands_Exist(t *testing.T) {
	root := newRoot(process{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	seen, commands := map[string]bool{}, 0
	// Commands of a fleet are checked in the program that has one: go test -tags fleet.
	fleet := slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "fleet" })
	for place, text := range printed(t) {
		for _, at := range called.FindAllStringIndex(text, -1) {
			line := codeEnd.Split(text[at[1]:], 2)[0]
			first := word.FindString(line)
			if first == "" {
				continue // an argument or a flag of the program itself
			}
			if slices.Contains(sentences, first) {
				seen[first] = true
				continue
			}
			if !fleet && (first == "fleet" || strings.Contains(line, "--fleet")) {
				continue
			}
			commands++
			if why := exists(root, line); why != "" {
				t.Errorf("%s: %q: %s", place, "homellm "+line, why)
			}
		}
	}
	for _, w := range sentences {
		if !seen[w] {
			t.Errorf("no sentence goes on with %q: take it off the list", w)
		}
	}
	if commands < 100 {
		t.Errorf("only %d commands were found", commands)
	}
}

// exists looks up a command line, or the beginning of one, and says what is wrong with it.
func exists(c *cobra.Command, line string) string {
	found := false
	for w := range strings.FieldsSeq(line) {
		if f := flagName.FindStringSubmatch(w); f != nil {
			if c.Flags().Lookup(f[1]) == nil && c.InheritedFlags().Lookup(f[1]) == nil && f[1] != "help" {
				return c.CommandPath() + " has no flag --" + f[1]
			}
			continue
		}
		if !c.HasSubCommands() {
			if strings.ContainsAny(w, ";:,|&)") {
				return "" // what follows is another command, or the rest of a sentence
			}
			continue
		}
		name := word.FindString(w)
		next := slices.IndexFunc(c.Commands(), func(s *cobra.Command) bool { return s.Name() == name })
		switch {
		case next >= 0:
			c, found = c.Commands()[next], true
		case !found:
			return "there is no such command"
		case name != "" && !c.Runnable():
			return c.CommandPath() + " has no command " + name
		}
	}
	return ""
}

// printed are the texts that a user reads, by place: string literals of the program, and what stands
// as code in pages and in the comments of shipped files.
func printed(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".tools" || d.Name() == ".git"):
			return fs.SkipDir
		case d.IsDir() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		switch filepath.Ext(path) {
		case ".go":
			return literals(path, out)
		case ".md":
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, span := range codeSpan.FindAllStringIndex(string(data), -1) {
				out[path+":"+lineOf(data, span[0])] += string(data[span[0]:span[1]]) + "\n"
			}
		case ".yaml", ".yml":
			data, err := os.ReadFile(path)
			out[path] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func lineOf(data []byte, offset int) string {
	return strconv.Itoa(1 + strings.Count(string(data[:offset]), "\n"))
}

func literals(path string, out map[string]string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			text, err := strconv.Unquote(l.Value)
			if err == nil {
				p := files.Position(l.Pos())
				out[path+":"+strconv.Itoa(p.Line)] += text + "\n"
			}
		}
		return true
	})
	return nil
}
