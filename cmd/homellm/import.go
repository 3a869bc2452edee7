package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/dsl/transcript"
	"homellm/engine/exit"
	"homellm/engine/imports"
	"homellm/engine/judge"
	"homellm/engine/text"
)

// importFlags are the flags of import.
type importFlags struct {
	format    string
	out       string
	id        string
	line      int
	limit     int
	last      int
	waits     bool
	overwrite bool
}

func newImport(p process) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Turn a recorded chat, an agent's transcript or a trace into a scenario",
		Long: `import reads a recorded chat or a trace and writes a scenario that plays it again:
questions, recorded replies with their tool calls, the tools with the results that
they gave. Long results and what stands before the first step go into files beside
the scenario. What cannot be taken over is listed.

FILE is JSON or JSON lines, - is standard input. The formats are recognised:
  openai    message lists, requests, batches, logs with one message in each line
  sharegpt  conversations of from and value
  mooncake  traces with hashes of blocks and no texts, which are made up
  aiperf    inputs.json, and lines with turns or text_input

Nothing is sent, and nothing that is there is overwritten unless --overwrite says so.`,
		Example: `  homellm import session.json
  homellm import --last 3 --waits agent.jsonl --out scenarios/agent.yaml
  homellm import --limit 20 mooncake_trace.jsonl
  cat chat.json | homellm import - --out chat.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return importFile(p, args[0], f) },
	}
	c.Flags().StringVar(&f.format, "format", "", "openai, sharegpt, mooncake or aiperf; recognised if not given")
	c.Flags().StringVarP(&f.out, "out", "o", "", "scenario to write; NAME.yaml in this folder if not given")
	c.Flags().IntVar(&f.line, "line", 0, "only the chat in this line, or this entry of a list")
	c.Flags().StringVar(&f.id, "id", "", "only the chat with this id")
	c.Flags().IntVar(&f.limit, "limit", 100, "most chats, or requests of a trace")
	c.Flags().IntVar(&f.last, "last", 0, "this many user messages at the end of a chat become steps, and what stands "+
		"before them is in context from the beginning; as many as fit if not given, at most 50")
	c.Flags().BoolVar(&f.waits, "waits", false, "wait between questions as long as the chat did")
	c.Flags().BoolVar(&f.overwrite, "overwrite", false, "replace files that are there")
	return c
}

// maxImport limits the size of the input.
const maxImport = 64 << 20

func importFile(p process, name string, f importFlags) error {
	if f.limit < 1 || f.last < 0 || f.line < 0 {
		return exit.Errorf(exit.Usage, "", "--limit, --last and --line count from 1")
	}
	if f.line > 0 && f.id != "" {
		return exit.Errorf(exit.Usage, "leave one of them out", "--line and --id both say which chat it is")
	}
	if f.format != "" && !transcript.Known(f.format) {
		return exit.Errorf(exit.Usage, "openai, sharegpt, mooncake or aiperf", "unknown format %q", f.format)
	}
	data, err := readImport(name, p.stdin)
	if err != nil {
		return exit.Errorf(exit.Usage, "", "%w", err)
	}
	shown := name
	if name == "-" {
		shown = "standard input"
	}
	read, found := transcript.Read(filepath.ToSlash(text.Path(shown)), data, transcript.Format(f.format))
	if found.Errors() {
		return invalid(p, found)
	}
	which, err := chosen(read, f)
	if err != nil {
		return err
	}
	out := f.out
	if out == "" {
		out = slug(name) + ".yaml"
	}
	made, err := imports.Make(read, which, imports.Options{Name: slug(out), Of: filepath.Base(shown), Waits: f.waits,
		Last: f.last, Chats: f.limit, Check: unwritten, Image: isImage})
	var bad syntax.Diagnostics
	switch {
	case errors.As(err, &bad) && bad[0].Pos.File != imports.Unwritten:
		return invalid(p, bad)
	case err != nil:
		return exit.Errorf(exit.Invalid, "", "%w", err)
	}
	replaced, err := made.Write(out, f.overwrite)
	switch {
	case errors.Is(err, fs.ErrExist):
		return exit.Errorf(exit.Usage, "--overwrite replaces it, --out writes elsewhere",
			"already there: %s; nothing was written", someNames(replaced))
	case err != nil:
		return exit.Errorf(exit.Environment, "", "writing the scenario: %w", err)
	}
	return tellImport(p, out, made, replaced)
}

// readImport reads a file or standard input.
func readImport(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if info, err := file.Stat(); err != nil || info.IsDir() {
			return nil, fmt.Errorf("%s is no file", name)
		}
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > maxImport {
		return nil, fmt.Errorf("%s is larger than %s: take a part of it, as `head -n 1000` does of JSON lines", name,
			text.Bytes(maxImport))
	}
	return data, nil
}

// invalid prints findings about a file.
func invalid(p process, found syntax.Diagnostics) error {
	if err := found.WriteText(plain{p.stdout}); err != nil {
		return exit.Errorf(exit.Environment, "", "printing the findings: %w", err)
	}
	return exit.With(exit.Invalid)
}

// chosen returns the indexes of the chats that the flags choose.
func chosen(read *transcript.File, f importFlags) ([]int, error) {
	switch {
	case f.line > 0:
		if i := read.AtLine(f.line); i >= 0 {
			return []int{i}, nil
		}
		return nil, exit.Errorf(exit.Usage, "", "there is no chat in line %d", f.line)
	case f.id != "":
		if i := read.WithID(f.id); i >= 0 {
			return []int{i}, nil
		}
		return nil, exit.Errorf(exit.Usage, syntax.SuggestOr(f.id, read.IDs(), "chats"), "there is no chat with the id %q",
			f.id)
	}
	all := make([]int, read.Len())
	for i := range all {
		all[i] = i
	}
	return all, nil
}

// unwritten validates a scenario that is not written yet.
func unwritten(scenario []byte, beside map[string][]byte) syntax.Diagnostics {
	return dsl.Validate(dsl.File{Name: imports.Unwritten, Data: scenario, Dir: imports.Folder(beside)}, &dsl.Library{},
		judge.Vocabulary())
}

// isImage says what is wrong with the contents of an image.
func isImage(data []byte) error {
	_, err := dsl.ImageOf("", data)
	return err
}

var noSlug = regexp.MustCompile(`[^a-z0-9._-]+`)

// slug makes the name of a scenario from a path.
func slug(name string) string {
	base := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	out := strings.Trim(noSlug.ReplaceAllString(strings.ToLower(base), "-"), "-._")
	if out = strings.TrimRight(out[:min(len(out), 48)], "-._"); out == "" || dsl.Reserved(out) {
		return strings.Trim("imported-"+out, "-")
	}
	return out
}

// someNames names a few files.
func someNames(names []string) string {
	if more := len(names) - 2; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), more)
	}
	return strings.Join(names, " and ")
}

// tellImport prints what was written and what was left out.
func tellImport(p process, out string, made *imports.Made, replaced []string) error {
	if err := made.Left.WriteText(plain{p.stderr}); err != nil {
		return exit.Errorf(exit.Environment, "", "printing the findings: %w", err)
	}
	for _, note := range made.Notes {
		fmt.Fprintf(p.stderr, "note: %s\n", note)
	}
	if len(replaced) > 0 {
		fmt.Fprintf(p.stderr, "replaced %s\n", someNames(replaced))
	}
	beside := ""
	if n := len(made.Beside); n > 0 {
		beside = ", and " + text.Plural(n, "file") + " beside it"
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %s, %s%s\n", text.Path(out), text.Plural(made.Chats, "conversation"),
		text.Plural(made.Steps, "question"), beside)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	return nil
}
