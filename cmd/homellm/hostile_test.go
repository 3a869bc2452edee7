//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"homellm/engine/exit"
	"homellm/engine/processor"
)

// hostileFolder lays the corpus out beside what its paths try to reach.
func hostileFolder(t *testing.T) (dir string, files []string) {
	t.Helper()
	outside := t.TempDir()
	dir = filepath.Join(outside, "scenarios")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "folder"), 0o755))
	must(os.WriteFile(filepath.Join(outside, "hostile_secret.txt"), []byte("the secret of the folder above"), 0o600))
	must(os.Symlink(filepath.Join(outside, "hostile_secret.txt"), filepath.Join(dir, "link.txt")))
	must(os.Symlink(outside, filepath.Join(dir, "linked")))
	must(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	corpus, err := filepath.Glob("testdata/hostile/*.yaml")
	must(err)
	for _, path := range corpus {
		data, err := os.ReadFile(path)
		must(err)
		to := filepath.Join(dir, filepath.Base(path))
		must(os.WriteFile(to, data, 0o600))
		files = append(files, to)
	}
	// A servers file in the scenario's own folder: nothing may read it.
	must(os.WriteFile(filepath.Join(dir, "servers.yaml"), []byte(fmt.Sprintf(
		"schema: homellm.servers/v1\nservers:\n  - name: sim\n    engine: openai\n    launch: {command: [touch, %q]}\n",
		filepath.Join(outside, "owned"))), 0o600))
	return dir, files
}

// TestHostileCorpus reads every file of the corpus in-process. Each is refused with a position
// and a code, or is harmless: nothing outside its folder is read, nothing hangs, and its texts reach
// the terminal as text only.
func TestHostileCorpus(t *testing.T) {
	dir, files := hostileFolder(t)
	if len(files) < 60 {
		t.Fatalf("%d files", len(files))
	}
	t.Chdir(dir)
	for _, file := range files {
		name := filepath.Base(file)
		for _, command := range []string{"validate", "plan"} {
			t.Run(strings.TrimSuffix(name, ".yaml")+"/"+command, func(t *testing.T) {
				var out bytes.Buffer
				p := process{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: func(string) string { return "" }}
				before, _ := processor.Time()
				code := run(t.Context(), p, []string{command, name})
				if after, _ := processor.Time(); after-before > 20*time.Second {
					t.Errorf("took %v of processor time", after-before)
				}
				refused := !strings.HasPrefix(name, "description_") && !strings.HasPrefix(name, "title_") &&
					!strings.HasPrefix(name, "assert_") && !strings.HasPrefix(name, "axis_")
				// What only a plan can see is no error of validate.
				late := command == "validate" && (name == "requests_many.yaml" || name == "synthetic_many.yaml")
				if refused && !late && code != exit.Invalid {
					t.Errorf("exit code %d, want 3\n%.600s", code, out.String())
				}
				if refused && code == exit.Invalid && !strings.Contains(out.String(), "error[") {
					t.Errorf("refused without a code:\n%.600s", out.String())
				}
				if code == exit.Bug {
					t.Errorf("a bug:\n%.600s", out.String())
				}
				for _, secret := range []string{"secret of the folder above", "root:x:0:0", "HOME=", "sk-hostile"} {
					if strings.Contains(out.String(), secret) {
						t.Errorf("shows %q", secret)
					}
				}
				for i, r := range out.String() {
					if r != '\n' && r != '\t' && (unicode.IsControl(r) || r == '\u202e' || r == '\u2066') {
						t.Fatalf("U+%04X at byte %d: %.80q", r, i, out.String()[max(0, i-30):])
					}
				}
				for line := range strings.SplitSeq(out.String(), "\n") {
					if strings.HasPrefix(line, "::") || strings.HasPrefix(line, "##[") {
						t.Errorf("a workflow command at the start of a line: %q", line)
					}
				}
			})
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "..", "owned")); err == nil {
		t.Error("the servers file of the scenario's folder started a program")
	}
}

// What a hostile scenario cannot do once it is played: write outside the results folder, start
// the programs of a servers file beside it, or put commands into any output.
func TestHostileCorpus_Applied(t *testing.T) {
	t.Parallel()
	dir, _ := hostileFolder(t)
	p := newProgram(t, nil)
	p.dir = dir
	var before []string
	list := func() (names []string) {
		err := filepath.WalkDir(filepath.Dir(dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !strings.Contains(path, "scenarios/results") {
				names = append(names, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	before = list()
	for _, name := range []string{"title_escape", "title_lines", "assert_html", "axis_csv", "axis_escape"} {
		code, stdout, stderr := p.run("apply", name+".yaml", "--server", "sim")
		if code == exit.Bug || code == exit.Environment {
			t.Errorf("%s: exit code %d\n%.500s", name, code, stderr)
		}
		if strings.ContainsAny(stdout+stderr, "\x1b\a\u009b") {
			t.Errorf("%s: a control character reaches the terminal", name)
		}
	}
	if after := list(); len(after) != len(before) {
		t.Errorf("files appeared outside the results folder: %d, before %d", len(after), len(before))
	}
}
