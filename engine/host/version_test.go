package host

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A program's help counts only if it is one: of anything else no flag could be found in it, and all
// would be left out.
func TestInstalledHelp(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the fake programs are shell scripts")
	}
	for body, want := range map[string]string{
		"[ \"$1\" = --help ] && echo '--port PORT  --metrics'":           "--port PORT  --metrics\n",
		"[ \"$1\" = --help ] && echo '--port PORT' >&2":                  "--port PORT\n",
		"echo 'error: cannot load libcuda'":                              "",
		"echo '--port PORT'; exit 1":                                     "",
		"echo 'usage: llama-server, see the manual for all that it has'": "",
	} {
		path := filepath.Join(t.TempDir(), "llama-server")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got := InstalledHelp(t.Context(), []string{path, "-m", "x"}, ""); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	for _, argv := range [][]string{nil, {"vllm", "serve"}, {filepath.Join(t.TempDir(), "llama-server")}} {
		if got := InstalledHelp(t.Context(), argv, ""); got != "" {
			t.Errorf("%v: %q", argv, got)
		}
	}
}

func TestInstalledVersion(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the fake programs are shell scripts")
	}
	dir := t.TempDir()
	program := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	python := program("python3", "#!/bin/sh\n[ \"$1\" = -c ] || exit 9\ncase \"$2\" in *vllm*) echo 0.11.0 ;; *sglang*) "+
		"echo 0.5.9.post1 ;; *) echo 'PackageNotFoundError: x' >&2; exit 1 ;; esac\n")
	tests := []struct {
		argv []string
		want string
		err  string
	}{
		{argv: []string{program("llama-server", "#!/bin/sh\necho 'version: 6400 (abcdef)' >&2\necho 'built with cc' >&2\n")},
			want: "6400"},
		{argv: []string{program("ollama", "#!/bin/sh\necho 'Warning: could not connect to a running Ollama instance'\necho "+
			"'Warning: client version is 0.6.5'\n")}, want: "0.6.5"},
		{argv: []string{program("vllm", "#!"+python+"\nimport sys\n"), "serve"}, want: "0.11.0"},
		{argv: []string{python, "-m", "sglang.launch_server"}, want: "0.5.9.post1"},
		{argv: []string{python, "-m", "other"}, err: "PackageNotFoundError"},
		{argv: []string{python, "x.py"}, err: "runs no module"},
		{argv: []string{program("homellm", "")}, err: "how is not known"},
		{argv: []string{filepath.Join(dir, "none", "ollama")}, err: "no such file"},
		{err: "no command"},
	}
	for _, tt := range tests {
		got, err := InstalledVersion(t.Context(), tt.argv)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%v: %q, %v; want %q, %q", tt.argv, got, err, tt.want, tt.err)
		}
	}
	program("vllm", "\x7fELF")
	if _, err := InstalledVersion(t.Context(), []string{filepath.Join(dir, "vllm")}); err == nil ||
		!strings.Contains(err.Error(), "does not name its Python") {
		t.Errorf("got %v", err)
	}
}

// What a program says of its flags is asked once of the same file.
func TestInstalledHelp_Kept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the fake programs are shell scripts")
	}
	dir, folder := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	python, path, asked := filepath.Join(dir, "python3"), filepath.Join(dir, "vllm"), filepath.Join(dir, "asked")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(python, "#!/bin/sh\n[ \"$2 $3\" = 'serve --help=all' ] && echo x >>"+asked+" && echo '--port PORT'\n")
	write(path, "#!"+python+"\n")
	count := func() int {
		text, err := os.ReadFile(asked)
		if err != nil {
			return 0
		}
		return len(text) / len("x\n")
	}
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			write(path, "#!"+python+"\n# another version\n")
		}
		if got := InstalledHelp(t.Context(), []string{path, "serve"}, folder); got != "--port PORT\n" || count() != want {
			t.Errorf("call %d: %q, asked %d times, want %d", i, got, count(), want)
		}
	}
	write(path, "#!/bin/sh\necho x >>"+asked+"\necho '--port PORT'\n")
	if got := InstalledHelp(t.Context(), []string{path, "serve"}, folder); got != "" || count() != 2 {
		t.Errorf("a user's script: %q, asked %d times", got, count())
	}
}
