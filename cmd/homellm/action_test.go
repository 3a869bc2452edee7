package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/testscript"
)

// compositeAction is what of action.yml the runner obeys.
type compositeAction struct {
	Inputs map[string]struct {
		Default  string
		Required bool
	}
	Runs struct {
		Using string
		Steps []actionStep
	}
}

type actionStep struct {
	Name, ID, Uses, If, Shell, Run string
	Env                            map[string]string
	With                           map[string]string
}

var (
	toCommit    = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	onlyOutputs = regexp.MustCompile(`^exit-code=\d+\nresults=/[^\n]*\n$`)
)

var actionExpression = regexp.MustCompile(`\$\{\{\s*([^}]*?)\s*\}\}`)

// action plays the steps of action.yml as GitHub's runner does: `action CODE input=value ...`, with
// every expression filled in and each script run by bash -e, until one fails; steps that say
// always() run even then. The program is the one under test, in the place where the build step
// leaves it, and $RESULTS becomes the folder that it names. Actions of others are not run, but for
// the comment's script, which node runs with a stand-in for GitHub that prints what it is asked.
func action(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: action CODE input=value...")
	}
	r := newRunner(ts)
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		if _, ok := r.action.Inputs[name]; !ok {
			ts.Fatalf("the action has no input %q", name)
		}
		if file, ok := strings.CutPrefix(value, "@"); ok { // several lines
			value = ts.ReadFile(file)
		}
		r.values["inputs."+name] = value
	}
	code := "0"
	for _, s := range r.action.Runs.Steps {
		if s.Uses != "" && !toCommit.MatchString(s.Uses) {
			ts.Fatalf("%s is pinned to no commit", s.Uses)
		}
		if code != "0" && !strings.HasPrefix(s.If, "always()") {
			continue
		}
		if s.If == "steps.release.outputs.found != 'true'" && r.values["steps.release.outputs.found"] == "true" {
			continue
		}
		if strings.Contains(s.If, "inputs.comment == 'true'") && r.values["inputs.comment"] != "true" {
			continue
		}
		if err := r.step(s); err != nil && code == "0" {
			code = strings.TrimPrefix(err.Error(), "exit status ")
		}
	}
	ts.Setenv("RESULTS", r.values["steps.judge.outputs.results"])
	if _, err := os.Lstat(filepath.Join(ts.MkAbs("."), "owned")); err == nil {
		ts.Fatalf("the path of the action was obeyed by a shell")
	}
	if code != args[0] {
		ts.Fatalf("the action ends with %s, want %s", code, args[0])
	}
}

// runner is GitHub's, as far as the action needs it.
type runner struct {
	ts         *testscript.TestScript
	action     compositeAction
	values     map[string]string // of expressions
	work, temp string
}

func newRunner(ts *testscript.TestScript) *runner {
	root := ts.Getenv("REPO")
	raw, err := os.ReadFile(filepath.Join(root, "action.yml"))
	ts.Check(err)
	r := &runner{ts: ts, work: ts.Getenv("WORK")}
	ts.Check(yaml.Unmarshal(raw, &r.action))
	if r.action.Runs.Using != "composite" {
		ts.Fatalf("the action is not a composite one")
	}
	r.temp = filepath.Join(r.work, "runner temp")
	ts.Check(os.MkdirAll(r.temp, 0o755))
	// Where the action lies is a name that a shell would obey.
	path := filepath.Join(r.work, "an action $(touch owned)")
	if err := os.Symlink(root, path); err != nil && !os.IsExist(err) {
		ts.Fatalf("%v", err)
	}
	program, err := exec.LookPath(filepath.Join(pathOf(ts, "homellm")))
	ts.Check(err)
	if err := os.Symlink(program, filepath.Join(r.temp, "homellm")); err != nil && !os.IsExist(err) {
		ts.Fatalf("%v", err)
	}
	r.values = map[string]string{
		"github.action_path": path, "runner.temp": r.temp, "github.token": "", "github.event_name": ts.Getenv("EVENT"),
		"github.action_repository": ts.Getenv("REPOSITORY"), "github.action_ref": ts.Getenv("REF"),
		"github.event.pull_request.base.sha": ts.Getenv("BASE"), "github.event.merge_group.base_sha": "",
	}
	for name, in := range r.action.Inputs {
		r.values["inputs."+name] = in.Default
	}
	return r
}

// fill puts the values of expressions into a text.
func (r *runner) fill(s string) string {
	return actionExpression.ReplaceAllStringFunc(s, func(m string) string {
		for name := range strings.SplitSeq(actionExpression.FindStringSubmatch(m)[1], "||") {
			v, ok := r.values[strings.TrimSpace(name)]
			if !ok && !strings.Contains(m, "steps.") {
				r.ts.Fatalf("the action uses %s, which is nothing that the runner knows", m)
			}
			if v != "" {
				return v
			}
		}
		return ""
	})
}

// step runs one step; the error is that of its script.
func (r *runner) step(s actionStep) error {
	env := []string{"RUNNER_TEMP=" + r.temp}
	for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE"} {
		file := filepath.Join(r.work, name)
		r.ts.Check(os.WriteFile(file, nil, 0o644))
		env = append(env, name+"="+file)
	}
	for k, v := range s.Env {
		env = append(env, k+"="+r.fill(v))
	}
	switch {
	case strings.HasPrefix(s.Run, "go build"):
		if s.Run != `go build -C "$SOURCE" -o "$RUNNER_TEMP/homellm" ./cmd/homellm` {
			r.ts.Fatalf("the build step leaves the program elsewhere: %s", s.Run)
		}
	case s.Run != "":
		return r.script(s, env)
	case strings.HasPrefix(s.Uses, "actions/github-script@"):
		if node, _ := exec.LookPath("node"); node == "" {
			r.ts.Logf("no node: the comment's script is not run")
			return nil
		}
		script := githubStandIn + "(async () => {\n" + r.fill(s.With["script"]) + "\n})();"
		r.ts.Check(inStep(r.ts, env, "node", "-e", script))
	}
	return nil
}

// script runs the shell script of a step and keeps its outputs.
func (r *runner) script(s actionStep, env []string) error {
	if s.Shell != "bash" {
		r.ts.Fatalf("step %q has no shell: a composite action needs one", s.Name)
	}
	failed := inStep(r.ts, env, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", r.fill(s.Run))
	said, err := os.ReadFile(filepath.Join(r.work, "GITHUB_OUTPUT"))
	r.ts.Check(err)
	if s.ID == "judge" && !onlyOutputs.Match(said) {
		r.ts.Fatalf("the outputs are %q", said)
	}
	for _, name := range []string{"GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE"} {
		if text, err := os.ReadFile(filepath.Join(r.work, name)); err != nil || len(text) > 0 {
			r.ts.Fatalf("%s holds %q, %v", name, text, err)
		}
	}
	for line := range strings.Lines(string(said)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		r.values["steps."+s.ID+".outputs."+name] = value
	}
	return failed
}

// githubStandIn is what the script of a github-script step finds. COMMENTS holds those of the pull request.
const githubStandIn = `
const context = {repo: {owner: "o", repo: "r"}, issue: {number: 7}};
const say = (what) => async (a) => {
  console.log(what, a.comment_id || a.issue_number, a.body.length, JSON.stringify(a.body.slice(0, 60)));
};
const github = {paginate: async () => JSON.parse(process.env.COMMENTS || "[]"),
  rest: {issues: {listComments: 1, createComment: say("COMMENT CREATED"), updateComment: say("COMMENT UPDATED")}}};
`

// inStep runs a program with the environment of the script and of the step.
func inStep(ts *testscript.TestScript, env []string, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(scriptEnv(ts), env...)
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	err := c.Run()
	_, _ = ts.Stdout().Write(out.Bytes())
	_, _ = ts.Stderr().Write(log.Bytes())
	appendTo(ts, filepath.Join(ts.Getenv("WORK"), "action.log"), append(out.Bytes(), log.Bytes()...))
	return err
}

func appendTo(ts *testscript.TestScript, name string, data []byte) {
	f, err := os.OpenFile(ts.MkAbs(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	ts.Check(err)
	_, err = f.Write(data)
	ts.Check(err)
	ts.Check(f.Close())
}

// scriptEnv is what of the script's environment a step sees.
func scriptEnv(ts *testscript.TestScript) []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "GITHUB_ACTIONS",
		"GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY", "COMMENTS"} {
		if v := ts.Getenv(name); v != "" {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// pathOf finds a program on the script's path.
func pathOf(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); isProgram(path) {
			return path
		}
	}
	ts.Fatalf("%s is not on the path", name)
	return ""
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// obeyed prints the lines of a step's log that the runner takes for commands: those that begin with
// :: or hold ##[ anywhere, outside of what ::stop-commands:: fences off.
func obeyed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: obeyed LOG")
	}
	fence := ""
	for line := range strings.SplitSeq(strings.ReplaceAll(ts.ReadFile(args[0]), "\r", "\n"), "\n") {
		line = strings.TrimSpace(line)
		switch token, stops := strings.CutPrefix(line, "::stop-commands::"); {
		case fence != "":
			if line == "::"+fence+"::" {
				fence = ""
			}
		case stops:
			if fence = token; !secretToken.MatchString(fence) {
				ts.Fatalf("the fence is %q, which can be guessed", fence)
			}
		case strings.HasPrefix(line, "::") || strings.Contains(line, "##["):
			_, _ = fmt.Fprintln(ts.Stdout(), line)
		}
	}
	if fence != "" {
		ts.Fatalf("the fence is never taken down")
	}
}

var secretToken = regexp.MustCompile(`^[0-9a-f]{32}$`)
