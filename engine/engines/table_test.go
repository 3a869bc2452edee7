package engines

import (
	"cmp"
	"fmt"
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

	gocmp "github.com/google/go-cmp/cmp"

	"homellm/engine/wire"
)

var root = filepath.Join("..", "..")

// TestPages compares what other files say about the engines with the table; -update writes it.
func TestPages(t *testing.T) {
	enum := regexp.MustCompile(`"enum": \[(\s*)"` + All[0].Name + `"[^\]]*"(\s*)\]`)
	list := func(text string) string {
		m := enum.FindStringSubmatch(text)
		return `"enum": [` + m[1] + `"` + strings.Join(names(), `",`+m[1]+`"`) + `"` + m[2] + `]`
	}
	for _, page := range []struct {
		path  string
		place *regexp.Regexp
		text  func(old string) string
	}{
		{"schema/servers.v1.json", enum, list},
		{"schema/models.v1.json", enum, list},
		{"schema/models.v1.json", regexp.MustCompile(`an engine: [^"]*`), func(string) string { return schemaTitle() }},
		{"docs/servers.md", regexp.MustCompile(`(?m)^\| engine \| times and tokens .*\n(\|.*\n)+`),
			func(string) string { return docsTable() }},
		{"docs/servers.md", regexp.MustCompile(`(?m)^\| engine \| ` + "`/v1/responses`" + ` .*\n(\|.*\n)+`),
			func(string) string { return apisTable() }},
	} {
		path := filepath.Join(root, filepath.FromSlash(page.path))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(page.place.FindAll(text, -1)); n != 1 {
			t.Fatalf("%s has %d places for %s", page.path, n, page.place)
		}
		want := page.place.ReplaceAllStringFunc(string(text), page.text)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := gocmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s is not what the table says (-want +got); run with -update:\n%s", page.path, diff)
		}
	}
}

// docsTable is the table of docs/servers.md.
func docsTable() string {
	var b strings.Builder
	b.WriteString("| engine | times and tokens | cached tokens | server's own times | reusable tokens | cache reset | " +
		"salt |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, e := range All {
		for _, r := range e.Docs {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", cmp.Or(r.Engine, e.Title), r.Tokens, r.Cached, r.Times,
				r.Reusable, r.Reset, r.Salt)
		}
	}
	return b.String()
}

// apisTable returns the table in docs/servers.md of engines that serve the optional APIs.
func apisTable() string {
	var b strings.Builder
	b.WriteString("| engine | `/v1/responses` | `/v1/messages` | counts a prompt without answering it |\n|---|---|---|---|\n")
	for _, e := range All {
		if e.Role == Simulator {
			continue
		}
		row := []string{e.Title}
		for _, api := range Optional {
			s, known := e.APIs[api]
			switch {
			case !known:
				row = append(row, "not known")
			case s.Never != "":
				row = append(row, "no ("+s.Source+")")
			case s.Since != "":
				row = append(row, "since "+s.Since+" ("+s.Source+")")
			default:
				row = append(row, "yes ("+s.Source+")")
			}
		}
		counts := "–"
		if e.APIs[wire.Messages].Counts {
			counts = "`/v1/messages/count_tokens`"
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(append(row, counts), " | "))
	}
	return b.String()
}

// schemaTitle is what the schemas call the name of an engine.
func schemaTitle() string {
	names := names()
	last := len(names) - 1
	return "an engine: " + strings.Join(names[:last], ", ") + " or " + names[last]
}

// elsewhere are places whose texts may be an engine's name, and what it means there.
var elsewhere = map[string]string{
	"cmd/homellm/sim.go": "the command sim",
	"engine/client/":     "the golden server of the dialect ollama",
	"engine/wire/":       "the API ollama",
	"dsl/transcript/":    "the format openai of recorded chats",
	"engine/starter/":    "the profile sim",
	"bench/fleet/":       "the profile sim",
	"engine/sim/":        "the simulator shares nothing with what it is measured by",
}

// TestNamesAreHere makes sure that no code decides by an engine's name: what differs between engines is in their
// entries.
func TestNamesAreHere(t *testing.T) {
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil || !slices.Contains(names(), text) {
				return true
			}
			found++
			if strings.HasPrefix(name, "engine/engines/") {
				return true
			}
			for prefix := range elsewhere {
				if strings.HasPrefix(name, prefix) {
					return true
				}
			}
			t.Errorf("%s names the engine %q: put what differs into its entry", name, text)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < len(All) {
		t.Errorf("only %d names were found: the test looks in the wrong place", found)
	}
}

// TestEntries checks that every entry has what all entries need.
func TestEntries(t *testing.T) {
	kinds := []string{"usage", "cache_report", "cache_reset", "cache_salt", "tokenize", "metrics", "server_timings",
		"ignore_eos"}
	ports := map[int]string{}
	for _, e := range All {
		if e.Title == "" || e.API.Identify == nil {
			t.Errorf("%s: title %q, or it cannot be recognised", e.Name, e.Title)
		}
		var have []string
		for _, c := range e.Capabilities {
			have = append(have, c.Name)
		}
		if diff := gocmp.Diff(kinds, have); diff != "" {
			t.Errorf("%s: capabilities (-want +got):\n%s", e.Name, diff)
		}
		for _, port := range e.Ports {
			ports[port] = e.Name
		}
		for _, check := range e.Launch.Flags.Checks {
			if !slices.Contains(e.Launch.Flags.Names, check.Flag) {
				t.Errorf("%s: flag %s is checked and not known", e.Name, check.Flag)
			}
		}
		for _, p := range e.Launch.Programs {
			if _, err := regexp.Compile(p.Version.Pattern); err != nil {
				t.Errorf("%s: %v", p.Command, err)
			}
		}
	}
	if got, want := len(ports), 14; got < want || len(Ports()) != got {
		t.Errorf("%d usual ports of which %d are tried, want all of %d or more", got, len(Ports()), want)
	}
}

// names lists the engines' names.
func names() []string {
	out := make([]string, len(All))
	for i, e := range All {
		out[i] = e.Name
	}
	return out
}
