package main

import (
	"flag"
	"net"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"homellm/engine/host"
)

var update = flag.Bool("update", false, "rewrite the golden files of the scripts")

// patience is how long a test waits for a process on a machine that does much else.
const patience = 5 * time.Minute

// sleepers is how many tests run at the same time on each processor. Those of whole processes wait most of the time:
// for servers, signals and the clock; with the race detector they compute more.
func sleepers() int {
	if raceFactor() > 1 {
		return 4
	}
	return 6
}

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", strconv.Itoa(sleepers()*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"homellm": main, "crashing": crashing, "oddserver": oddServer})
}

// long marks a test that takes many seconds: -short leaves it out.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes many seconds")
	}
}

// TestScripts runs the program as a user does: testdata/script/*.txtar, exit codes included.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			repo, err := filepath.Abs(filepath.Join("..", ".."))
			if err != nil {
				return err
			}
			e.Setenv("REPO", repo) // for the examples that are kept there
			// Each script has its own home, so that no file of the user's changes what it sees.
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			port, err := host.FreePort(e.T().(testing.TB).Context(), "127.0.0.1")
			if err != nil {
				return err
			}
			e.Setenv("PORT", strconv.Itoa(port))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "action": action, "obeyed": obeyed,
			"envfile": envfile, "conforms": conforms, "areEvents": areEvents, "listens": listens},
	})
}

// exits runs a command and checks its exit code: exits CODE homellm ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// listens waits until something accepts connections: listens HOST:PORT
func listens(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listens HOST:PORT")
	}
	var last error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", args[0], time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		last = err
	}
	ts.Fatalf("nothing listens: %v", last)
}

// envfile sets a variable to what a file holds: envfile NAME FILE
func envfile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: envfile NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// raceFactor is by how much more memory and time this program may take than the one that is shipped.
func raceFactor() int64 {
	if build, ok := debug.ReadBuildInfo(); ok && slices.Contains(build.Settings,
		debug.BuildSetting{Key: "-race", Value: "true"}) {
		return 4
	}
	return 1
}
