//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"homellm/engine/exit"
	"homellm/engine/report"
)

const secretOutside = "the secret of the folder above"

// inside runs one command line in this process and returns all that it prints. What takes longer
// than a reader has patience for is an error: a pipe was waited for, or a device read.
func inside(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var b, said bytes.Buffer
	p := process{stdin: strings.NewReader(""), stdout: &b, stderr: &said, getenv: func(string) string { return "" },
		stateDir: t.TempDir()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		code = run(t.Context(), p, args)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%v does not end", args)
	}
	b.Write(said.Bytes())
	if code == exit.Bug {
		t.Errorf("%v: a bug:\n%.600s", args, b.String())
	}
	if strings.Contains(b.String(), secretOutside) {
		t.Errorf("%v shows a file from outside:\n%.600s", args, b.String())
	}
	return code, b.String()
}

// lay makes files and links below a new folder; a target that begins with "file:" is the text of
// a file. It returns the folder and its inner one, which the stranger wrote.
func lay(t *testing.T, links map[string]string) (outside, dir string) {
	t.Helper()
	outside = t.TempDir()
	dir = filepath.Join(outside, "stranger")
	must(t, os.WriteFile(filepath.Join(outside, "secret.txt"), []byte(secretOutside), 0o600))
	must(t, os.Mkdir(dir, 0o755))
	for name, target := range links {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		switch text, ok := strings.CutPrefix(target, "file:"); {
		case ok:
			must(t, os.WriteFile(path, []byte(text), 0o600))
		case target == "fifo":
			must(t, syscall.Mkfifo(path, 0o600))
		default:
			must(t, os.Symlink(target, path))
		}
	}
	return outside, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// renamed is a journal under the id of another run: a run and its own copy are never compared.
func renamed(t *testing.T, journal string) string {
	t.Helper()
	id := regexp.MustCompile(`"id":"[0-9a-f]{16}"`)
	if !id.MatchString(journal) {
		t.Fatal("the journal names no run")
	}
	return id.ReplaceAllString(journal, `"id":"0123456789abcdef"`)
}

// tree is every path below a folder but for those below one inner folder, with the sizes of
// files.
func tree(t *testing.T, dir, but string) string {
	t.Helper()
	var out strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == but {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			fmt.Fprintln(&out, path, info.Size())
		}
		return err
	}))
	return out.String()
}

// A scenario file that is a link out of its folder is refused, and not a line of what it names is
// shown: not of a file, nor of this process's environment.
func TestScenario_LinkOut(t *testing.T) {
	t.Setenv("HOSTILE", secretOutside)
	_, dir := lay(t, map[string]string{
		"file.yaml": "../secret.txt", "env.yaml": "/proc/self/environ", "pipe.yaml": "fifo", "zero.yaml": "/dev/zero",
		"up.yaml": "in/../../secret.txt", "in/x": "file:x", "good.yaml": "file:" + crashPlan, "link.yaml": "good.yaml",
	})
	t.Chdir(dir)
	for _, name := range []string{"file", "env", "pipe", "zero", "up"} {
		for _, args := range [][]string{{"validate"}, {"plan"}, {"list"}, {"apply", "--server", "sim"},
			{"compare", ".", "--gates"}} {
			if code, out := inside(t, append(args, name+".yaml")...); code != exit.Usage {
				t.Errorf("%v %s: exit code %d\n%.300s", args, name, code, out)
			}
		}
	}
	if code, out := inside(t, "validate", "."); code != exit.Usage {
		t.Errorf("a folder of such files: exit code %d\n%.300s", code, out)
	}
	if code, out := inside(t, "validate", "link.yaml"); code != 0 {
		t.Errorf("a link within the folder: exit code %d\n%.300s", code, out)
	}
}

// The results folder of a stranger: its files may be links, pipes and devices, and its journal may
// name servers, flags and files. Reading it and going on with it reaches no host that it names,
// starts nothing, and changes nothing outside of it.
func TestStrangersResults(t *testing.T) {
	reached := make(chan struct{}, 100)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reached <- struct{}{}
			_ = c.Close()
		}
	}()
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan})
	if code, _, stderr := p.run("apply", "plan.yaml", "--server", "sim", "--out", "run"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	data, err := os.ReadFile(filepath.Join(p.dir, "run", "journal.jsonl"))
	must(t, err)
	lines := strings.SplitAfter(string(data), "\n")
	evil := strings.NewReplacer(
		`"options":["--server=sim"]`,
		`"options":["--servers=evil.yaml","--server=sim","--url=x\n::error::forged","--out=/","-x","--resume=/x","--report=junit=/x"]`,
		`"file":"plan.yaml"`,
		`"file":"--servers=evil.yaml"`,
		`"url":"http://127.0.0.1:`,
		fmt.Sprintf(`"url":"http://%s/`, l.Addr()),
	)
	journal := evil.Replace(strings.Join(lines[:len(lines)*2/3], ""))
	// An attacker could recompute the checksums of the lines; a journal of a version without checksums is as good.
	journal = regexp.MustCompile(`,"crc32c":"[0-9a-f]{8}"}`).ReplaceAllString(journal, "}")
	journal = strings.Replace(journal, `"body":{"version":2,`, `"body":{"version":1,`, 1)
	if !strings.Contains(journal, l.Addr().String()) || !strings.Contains(journal, "evil.yaml") {
		t.Fatal("the journal does not attack anything: the test sees nothing")
	}
	links := map[string]string{"journal.jsonl": "file:" + journal}
	for _, f := range report.Formats {
		if f.File != "" {
			links[f.File] = "../victim-" + f.File
		}
	}
	for _, name := range []string{"server-sim.log", "worst-turn.body", "worst-turn.json"} {
		links[name] = "../victim-" + name // what is named does not exist: writing through the link would make it
	}
	outside, dir := lay(t, links)
	links["journal.jsonl"] = "file:" + renamed(t, journal)
	_, other := lay(t, links)
	must(t, os.WriteFile(filepath.Join(outside, "plan.yaml"), []byte(crashPlan), 0o600))
	must(t, os.WriteFile(filepath.Join(outside, "evil.yaml"),
		[]byte("schema: homellm.servers/v1\nservers:\n  sim: {engine: openai, launch: {command: [touch, owned]}}\n"), 0o600))
	t.Chdir(outside)
	before := tree(t, outside, dir)
	for _, f := range report.Formats {
		_, out := inside(t, "report", dir, "--format", f.Name)
		_, hint, _ := strings.Cut(out, "continue with:")
		hint, _, _ = strings.Cut(hint, "\n")
		for _, bad := range []string{" --servers", "--out", "--report", "-x", "--resume=/x"} {
			if strings.Contains(hint, bad) {
				t.Errorf("%s: the hint brings a flag of the stranger's: %s", f.Name, hint)
			}
		}
		if strings.Contains(out, "\n::error::forged") {
			t.Errorf("%s: a workflow command of the stranger's:\n%.400s", f.Name, out)
		}
	}
	for _, args := range [][]string{
		{"results", "diff", dir, other}, {"results", "diff", "--html", other, dir}, {"compare", dir, other},
		{"compare", other, dir, "--format", "github"},
	} {
		if code, out := inside(t, args...); code == exit.Usage || code == exit.Invalid {
			t.Errorf("%v: exit code %d: the journals were not compared\n%.300s", args, code, out)
		}
	}
	for _, args := range [][]string{
		{"results", "list", "--dir", outside}, {"results", "show", dir},
		{"results", "prune", "--dir", outside, "--keep", "0", "--yes"},
		{"apply", "plan.yaml", "--server", "sim", "--resume", dir, "--keep-raw"},
	} {
		inside(t, args...)
	}
	if after := tree(t, outside, dir); after != before {
		t.Errorf("outside of the folder there was\n%sand now there is\n%s", before, after)
	}
	select {
	case <-reached:
		t.Error("a host that the journal names was reached")
	default:
	}
	if info, err := os.Lstat(filepath.Join(dir, "worst-turn.body")); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the run was not gone on with: the test sees nothing (%v, %v)", info, err)
	}
}

// Journals, baselines and gates that are links, pipes or devices.
func TestStrangersFiles(t *testing.T) {
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan})
	if code, _, stderr := p.run("apply", "plan.yaml", "--server", "sim", "--out", "run"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	good := filepath.Join(p.dir, "run")
	for name, target := range map[string]string{"link": "../secret.txt", "dangling": "../none", "pipe": "fifo",
		"device": "/dev/zero", "folder": "..", "environment": "/proc/self/environ", "no journal": "file:" + secretOutside} {
		t.Run(name, func(t *testing.T) {
			outside, dir := lay(t, map[string]string{"journal.jsonl": target, "baseline.json": target, "plan.yaml": "file:" +
				crashPlan})
			t.Chdir(outside)
			before := tree(t, outside, "")
			for _, args := range [][]string{
				{"report", dir}, {"results", "show", dir}, {"results", "list", "--dir", outside}, {"baseline", "record", dir},
				{"baseline", "show", dir + "/baseline.json"}, {"baseline", "list", dir},
				{"compare", dir, dir}, {"compare", good, dir}, {"compare", dir, good}, {"results", "diff", good, dir},
				{"results", "diff", dir, good}, {"compare", dir + "/baseline.json", dir},
				{"compare", dir + "/baseline.json", good},
				{"apply", dir + "/plan.yaml", "--server", "sim", "--resume", dir, "--resume-changed"},
				{"results", "prune", "--dir", outside, "--keep", "0", "--yes"},
			} {
				code, out := inside(t, args...)
				if code == 0 && args[1] != "list" && args[1] != "prune" || strings.Contains(out, "the same run") {
					t.Errorf("%v: exit code %d\n%.300s", args, code, out)
				}
			}
			if after := tree(t, outside, ""); after != before {
				t.Errorf("there was\n%sand now there is\n%s", before, after)
			}
		})
	}
}
