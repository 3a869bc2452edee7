package host

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// versionLimit bounds the question for a version. Importing a whole Python server takes longer,
// which is why the package's metadata is asked instead.
const versionLimit = 10 * time.Second

// versionOf is how an installed program tells its version.
type versionOf struct {
	command string                                             // base name of the first argument
	ask     func(path string, argv []string) ([]string, error) // the command to run
	pattern *regexp.Regexp
	help    string // the argument that prints its help; empty: that tells no flags, or imports a whole Python server
}

// versions is the table of programs whose version decides about their flags.
var versions = []versionOf{
	{"llama-server", func(path string, _ []string) ([]string, error) { return []string{path, "--version"}, nil }, regexp.MustCompile(`version: (\d+)`), "--help"},
	{"ollama", func(path string, _ []string) ([]string, error) { return []string{path, "--version"}, nil }, regexp.MustCompile(`version is (\d[\w.+-]*)`), ""},
	{"vllm", func(path string, _ []string) ([]string, error) {
		python, err := interpreter(path)
		return metadata(python, "vllm"), err
	}, regexp.MustCompile(`(?m)^(\d[\w.+-]*)$`), ""},
	{"python", pythonModule, regexp.MustCompile(`(?m)^(\d[\w.+-]*)$`), ""},
	{"python3", pythonModule, regexp.MustCompile(`(?m)^(\d[\w.+-]*)$`), ""},
}

// metadata asks a Python for the version of a package without importing it.
func metadata(python, name string) []string {
	return []string{python, "-c", fmt.Sprintf("import importlib.metadata as m; print(m.version(%q))", name)}
}

// interpreter is the Python that the script of an installed package names in its first line.
func interpreter(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	line, err := bufio.NewReaderSize(file, 512).ReadString('\n')
	python := strings.TrimSpace(strings.TrimPrefix(line, "#!"))
	if err != nil || !strings.HasPrefix(line, "#!") || python == "" || strings.ContainsAny(python, " \t") {
		return "", fmt.Errorf("%s does not name its Python", path)
	}
	return python, nil
}

// pythonModule serves python -m PACKAGE.MODULE.
func pythonModule(path string, argv []string) ([]string, error) {
	i := slices.Index(argv, "-m")
	if i < 0 || i+1 >= len(argv) {
		return nil, fmt.Errorf("%s runs no module", strings.Join(argv, " "))
	}
	name, _, _ := strings.Cut(argv[i+1], ".")
	return metadata(path, name), nil
}

// InstalledVersion asks the program that a command line starts for its version, without starting
// the server. An error is no reason not to start it: the flags of the newest version are then
// the best guess.
func InstalledVersion(ctx context.Context, argv []string) (string, error) {
	if len(argv) == 0 {
		return "", fmt.Errorf("asking for a version: there is no command")
	}
	name, i := program(argv[0])
	if i < 0 {
		return "", fmt.Errorf("asking %s for its version: how is not known", name)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return "", &CommandError{Name: name, Command: argv[0], err: err}
	}
	question, err := versions[i].ask(path, argv)
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", name, err)
	}
	out, err := answer(ctx, question)
	m := versions[i].pattern.FindSubmatch(out)
	if m == nil {
		if err != nil {
			return "", fmt.Errorf("asking %s for its version: %w: %s", name, err, firstLine(out))
		}
		return "", fmt.Errorf("asking %s for its version: it says %q", name, firstLine(out))
	}
	return string(m[1]), nil
}

// InstalledHelp asks the program that a command line starts for its help, which says better than a
// version which flags it takes. It is empty where the table of versions has no way to ask.
func InstalledHelp(ctx context.Context, argv []string) string {
	if len(argv) == 0 {
		return ""
	}
	_, i := program(argv[0])
	if i < 0 || versions[i].help == "" {
		return ""
	}
	out, err := answer(ctx, []string{argv[0], versions[i].help})
	if err != nil || !strings.Contains(string(out), "--port") { // which every server has: without it this is something else
		return ""
	}
	return string(out)
}

// program is the name of a program, wherever it lies, and its place in the table; -1 if it has none.
func program(path string) (name string, i int) {
	name = strings.TrimSuffix(filepath.Base(path), ".exe")
	return name, slices.IndexFunc(versions, func(v versionOf) bool { return v.command == name })
}

// answer is what a command prints that ends by itself.
func answer(ctx context.Context, question []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, question[0], question[1:]...)
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}
