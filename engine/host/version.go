package host

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"homellm/engine/engines"
)

// versionLimit limits the question for a version. Importing a whole Python server takes longer, so the package's
// metadata is read instead.
const versionLimit = 10 * time.Second

// question is the command that prints the version of an installed program with the command line argv.
func question(v engines.Version, path string, argv []string) ([]string, error) {
	switch {
	case v.Module:
		return pythonModule(path, argv)
	case v.Package != "":
		python, err := interpreter(path)
		return metadata(python, v.Package), err
	}
	return []string{path, v.Argument}, nil
}

// metadata asks a Python for the version of a package without importing it.
func metadata(python, name string) []string {
	return []string{python, "-c", fmt.Sprintf("import importlib.metadata as m; print(m.version(%q))", name)}
}

// interpreter is the Python in the first line of an installed package's script.
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

// pythonModule is for python -m PACKAGE.MODULE.
func pythonModule(path string, argv []string) ([]string, error) {
	i := slices.Index(argv, "-m")
	if i < 0 || i+1 >= len(argv) {
		return nil, fmt.Errorf("%s runs no module", strings.Join(argv, " "))
	}
	name, _, _ := strings.Cut(argv[i+1], ".")
	return metadata(path, name), nil
}

// InstalledVersion asks the program of a command line for its version, without starting the server. After an error
// the server can still be started: the flags of the newest version are then the best guess.
func InstalledVersion(ctx context.Context, argv []string) (string, error) {
	if len(argv) == 0 {
		return "", fmt.Errorf("asking for a version: there is no command")
	}
	name, program := programOf(argv[0])
	if program.Version.Pattern == "" {
		return "", fmt.Errorf("asking %s for its version: how is not known", name)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return "", &commandError{Name: name, Command: argv[0], err: err}
	}
	command, err := question(program.Version, path, argv)
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", name, err)
	}
	out, err := answer(ctx, versionLimit, command)
	m := regexp.MustCompile(program.Version.Pattern).FindSubmatch(out)
	if m == nil {
		if err != nil {
			return "", fmt.Errorf("asking %s for its version: %w: %s", name, err, firstLine(out))
		}
		return "", fmt.Errorf("asking %s for its version: it says %q", name, firstLine(out))
	}
	return string(m[1]), nil
}

// helpLimit limits the question for a program's flags. A Python server imports all of itself to answer it.
const helpLimit = 90 * time.Second

// InstalledHelp asks the program of a command line for its help, which is more reliable than a version for the flags
// it accepts. It is empty if the table of versions has no way to ask. The text is cached in a folder for that exact
// file, because a Python server takes many seconds. An empty folder means no cache.
func InstalledHelp(ctx context.Context, argv []string, folder string) string {
	if len(argv) == 0 {
		return ""
	}
	_, program := programOf(argv[0])
	path, err := exec.LookPath(argv[0])
	if program.Help == "" || err != nil {
		return ""
	}
	if program.Version.Package != "" {
		// A user's own script may start a server with any arguments.
		if python, err := interpreter(path); err != nil || !strings.Contains(filepath.Base(python), "python") {
			return ""
		}
	}
	kept := ""
	if info, err := os.Stat(path); err == nil && folder != "" {
		id := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s", path, info.Size(), info.ModTime().UnixNano(), program.Help))
		kept = filepath.Join(folder, fmt.Sprintf("help-%x.txt", id[:8]))
		if text, err := os.ReadFile(kept); err == nil {
			return string(text)
		}
	}
	out, err := answer(ctx, helpLimit, append([]string{path}, strings.Fields(program.Help)...))
	if err != nil ||
		!strings.Contains(string(out), "--port") { // every server has this; without it the text is something else
		return ""
	}
	if kept != "" {
		if err := os.MkdirAll(folder, 0o700); err == nil {
			_ = os.WriteFile(kept, out, 0o600) // it is asked again where it cannot be kept
		}
	}
	return string(out)
}

// programOf is the name of a program without its path, and its entry.
func programOf(path string) (string, engines.Program) {
	name := strings.TrimSuffix(filepath.Base(path), ".exe")
	p, _ := engines.ProgramOf(name)
	return name, p
}

// answer is the output of a command that ends by itself.
func answer(ctx context.Context, limit time.Duration, argv []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}
