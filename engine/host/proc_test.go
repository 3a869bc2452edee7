//go:build unix

package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The test binary plays the servers: run with this variable it is one of the children below.
const childEnv = "HOMELLM_TEST_CHILD"

var children = map[string]func(){
	"serve": func() {
		fmt.Println("loading the model")
		time.Sleep(50 * time.Millisecond)
		childServe()
	},
	"crash": func() {
		fmt.Println("loading the model")
		fmt.Fprintln(os.Stderr, "vllm: error: unrecognized arguments: --disable-log-requests")
		os.Exit(2)
	},
	"crash_later": func() {
		http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) {
			fmt.Println("GGML_ASSERT(n_tokens > 0) failed")
			os.Exit(134)
		})
		childServe()
	},
	"late": func() { // it answers when another one of this address was started
		for {
			if _, err := os.Stat(os.Getenv("HOMELLM_TEST_STARTED")); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		childServe()
	},
	"never_ready": func() {
		if mark := os.Getenv("HOMELLM_TEST_STARTED"); mark != "" {
			if err := os.WriteFile(mark, nil, 0o600); err != nil {
				panic(err)
			}
		}
		fmt.Println("No available memory for the cache blocks")
		time.Sleep(time.Hour)
	},
	"deaf": func() {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		childServe()
	},
	"family": func() { // a grandchild in the group, and one that left it
		for _, apart := range []bool{false, true} {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"=deaf_grandchild")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: apart}
			if err := cmd.Start(); err != nil {
				panic(err)
			}
			fmt.Println("grandchild", cmd.Process.Pid)
		}
		childServe()
	},
	"deaf_grandchild": func() {
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	},
	"owner": func() { // a homellm that starts a server and is killed
		spec := specOf("serve", os.Getenv("HOMELLM_TEST_DIR"), os.Getenv("HOMELLM_TEST_OWNED_ADDR"))
		if _, err := Start(context.Background(), spec); err != nil {
			panic(err)
		}
		panic(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	},
}

func childServe() {
	err := http.ListenAndServe(os.Getenv("HOMELLM_TEST_ADDR"), nil)
	fmt.Println(err)
	os.Exit(1)
}

func TestMain(m *testing.M) {
	if play, ok := children[os.Getenv(childEnv)]; ok {
		play()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// specOf starts this binary as one of the children; it is ready when it answers HTTP.
func specOf(child, dir, address string) Spec {
	return Spec{
		Name: child, Argv: []string{os.Args[0]}, Log: filepath.Join(dir, child+".log"), Address: address,
		StateDir: filepath.Join(dir, "state"),
		Env:      []string{childEnv + "=" + child, "HOMELLM_TEST_ADDR=" + address},
		Interval: 5 * time.Millisecond, Timeout: 20 * time.Second, Grace: 5 * time.Second,
		Ready: func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close()
		},
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := FreePort(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool { _, ok := birth(pid); return ok }

func TestStart_ReadyAndStopped(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	waited := 0
	spec := specOf("serve", dir, address)
	spec.Waiting = func(time.Duration, string) { waited++ }
	began := time.Now()
	p, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 50*time.Millisecond || waited == 0 {
		t.Errorf("ready after %v, asked again %d times: it took 50 ms at least", took, waited)
	}
	found, err := Leftovers(spec.StateDir)
	if err != nil || len(found) != 1 || !found[0].Owned || found[0].Address != address ||
		!strings.Contains(found[0].String(), "serve") {
		t.Errorf("while it runs the state directory says %+v, %v", found, err)
	}
	if p.Err() != nil {
		t.Errorf("Err = %v while it runs", p.Err())
	}
	if group, err := syscall.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("its process group is %d, %v: not its own", group, err)
	}
	asked := time.Now()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(asked); took >= spec.Grace {
		t.Errorf("it took %v to end: the signal did not reach it", took)
	}
	select {
	case <-p.Exited():
	default:
		t.Error("Exited is open after Stop")
	}
	if p.Err() != nil || alive(p.PID()) {
		t.Errorf("after Stop: Err %v, alive %v", p.Err(), alive(p.PID()))
	}
	if found, err := Leftovers(spec.StateDir); err != nil || len(found) != 0 {
		t.Errorf("left over: %v, %v", found, err)
	}
	if got := tail(p.readLog(), tailLines); cmp.Diff([]string{"loading the model"}, got) != "" {
		t.Errorf("tail = %q", got)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

func TestStart_CrashAtStart(t *testing.T) {
	dir := t.TempDir()
	_, err := Start(t.Context(), specOf("crash", dir, freeAddress(t)))
	exit, ok := errors.AsType[*ExitError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if exit.Code != 2 || exit.WasReady || exit.Class != "bad_flag" || len(exit.Tail) != 2 {
		t.Errorf("got %+v", exit)
	}
	if !strings.Contains(exit.Error(), "exited with code 2 before it was ready") ||
		!strings.Contains(exit.Error(), "unrecognized arguments") {
		t.Errorf("says %q", exit)
	}
	if !strings.Contains(exit.Hint(), "--disable-log-requests") {
		t.Errorf("hint %q", exit.Hint())
	}
	if found, _ := Leftovers(filepath.Join(dir, "state")); len(found) != 0 {
		t.Errorf("left over: %v", found)
	}
	if files, _ := os.ReadDir(filepath.Join(dir, "state")); len(files) != 0 {
		t.Errorf("a record stayed: %v", files)
	}
}

func TestStart_CrashMidRun(t *testing.T) {
	address := freeAddress(t)
	p, err := Start(t.Context(), specOf("crash_later", t.TempDir(), address))
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.Get("http://" + address + "/crash"); err == nil {
		response.Body.Close()
	}
	<-p.Exited()
	exit, ok := errors.AsType[*ExitError](p.Err())
	if !ok || exit.Code != 134 || !exit.WasReady || exit.Class != "crash" ||
		!strings.Contains(exit.Error(), "while it was in use") {
		t.Errorf("got %v", p.Err())
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if p.Err() == nil {
		t.Error("a Stop after the crash hides it")
	}
}

func TestStart_NeverReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := specOf("never_ready", dir, freeAddress(t))
	// Long enough for the line to be written on a busy machine; the log is what is tested.
	spec.Timeout = 2 * time.Second
	_, err := Start(t.Context(), spec)
	late, ok := errors.AsType[*NotReadyError](err)
	if !ok || late.Class != "kv_memory" || late.Last == nil || !strings.Contains(late.Hint(), "gpu_memory_utilization") {
		t.Fatalf("got %+v", err)
	}
	if found, _ := Leftovers(spec.StateDir); len(found) != 0 {
		t.Errorf("left over: %v", found)
	}
}

func TestStart_Hopeless(t *testing.T) {
	spec := specOf("serve", t.TempDir(), freeAddress(t))
	spec.Ready = func(context.Context) error { return fmt.Errorf("it serves another model: %w", ErrHopeless) }
	start := time.Now()
	_, err := Start(t.Context(), spec)
	if !errors.Is(err, ErrHopeless) || time.Since(start) > spec.Timeout/2 {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestStart_Interrupted(t *testing.T) {
	spec := specOf("never_ready", t.TempDir(), freeAddress(t))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	spec.Waiting = func(time.Duration, string) { cancel(why) }
	if _, err := Start(ctx, spec); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if found, _ := Leftovers(spec.StateDir); len(found) != 0 {
		t.Errorf("left over: %v", found)
	}
}

func TestStart_PortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	spec := specOf("serve", t.TempDir(), listener.Addr().String())
	_, err = Start(t.Context(), spec)
	taken, ok := errors.AsType[*PortError](err)
	if !ok || taken.Address != spec.Address {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(spec.Log); err == nil {
		t.Error("something was started nevertheless")
	}
}

func TestStart_CommandMissing(t *testing.T) {
	spec := specOf("serve", t.TempDir(), freeAddress(t))
	spec.Argv = []string{filepath.Join(t.TempDir(), "llama-server")}
	_, err := Start(t.Context(), spec)
	missing, ok := errors.AsType[*commandError](err)
	if !ok || !strings.Contains(missing.Hint(), "install llama.cpp") {
		t.Errorf("got %v", err)
	}
	spec.Argv = []string{"homellm-no-such-command"}
	if _, err := Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "not installed, or not in PATH") {
		t.Errorf("got %v", err)
	}
	spec.Argv, spec.Signal = []string{os.Args[0]}, "SIGSTOP"
	if _, err := Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "unknown stop signal") {
		t.Errorf("got %v", err)
	}
}

func TestStop_Deaf(t *testing.T) {
	t.Parallel()
	spec := specOf("deaf", t.TempDir(), freeAddress(t))
	spec.Grace = 100 * time.Millisecond
	p, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < spec.Grace || alive(p.PID()) {
		t.Errorf("killed after %v, alive %v: the grace is %v", took, alive(p.PID()), spec.Grace)
	}
}

func TestStop_Grandchildren(t *testing.T) {
	t.Parallel()
	spec := specOf("family", t.TempDir(), freeAddress(t))
	spec.Grace = 100 * time.Millisecond
	p, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, line := range tail(p.readLog(), tailLines) {
		var pid int
		if _, err := fmt.Sscanf(line, "grandchild %d", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) != 2 || !alive(pids[0]) || !alive(pids[1]) {
		t.Fatalf("grandchildren %v do not run", pids)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	for i, pid := range pids {
		if alive(pid) {
			t.Errorf("grandchild %d of 2 still runs", i+1)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it is the failure that counts
		}
	}
}

func TestLeftovers_AfterKill(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), childEnv+"=owner", "HOMELLM_TEST_DIR="+dir, "HOMELLM_TEST_OWNED_ADDR="+address)
	out, err := owner.CombinedOutput()
	if owner.ProcessState == nil || endedBy(owner.ProcessState) != "killed" {
		t.Fatalf("the owner was not killed: %v\n%s", err, out)
	}
	state := filepath.Join(dir, "state")
	found, err := Leftovers(state)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	l := found[0]
	if l.Owned || l.Address != address || l.Name != "serve" || len(l.PIDs) == 0 {
		t.Errorf("got %+v", l)
	}
	if _, err := Start(t.Context(), specOf("serve", t.TempDir(), address)); err == nil {
		t.Error("its port is free")
	}
	if err := StopLeftover(l, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, pid := range l.PIDs {
		if alive(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	if found, err := Leftovers(state); err != nil || len(found) != 0 {
		t.Errorf("still there: %v, %v", found, err)
	}
}

func TestLeftovers_PIDReused(t *testing.T) {
	// A record that names this very process, with another birth: the id came round again.
	dir := t.TempDir()
	path := filepath.Join(dir, "x.json")
	data := fmt.Sprintf(
		`{"version":1,"name":"old","pid":%d,"birth":"other/1","token":"NOSUCHTOKEN","owner":%d,"owner_birth":"other/2"}`,
		os.Getpid(),
		os.Getpid(),
	)
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Leftovers(dir)
	if err != nil || len(found) != 0 {
		t.Fatalf("found %v, %v", found, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the record stayed: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"version":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Leftovers(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a record of another version: %v", err)
	}
	if found, err := Leftovers(filepath.Join(dir, "none")); err != nil || found != nil {
		t.Errorf("no directory: %v, %v", found, err)
	}
}

func TestFamily_SignalsNobodyElse(t *testing.T) {
	// Group 0 is this process's own (and that of processes outside a container, as seen from
	// within), -1 is everybody: a family whose leader is gone may reach neither.
	for _, group := range []int{-1, 0, 1} {
		f := family{group: group, token: "NOSUCHTOKEN"}
		if pids := f.members(); len(pids) != 0 {
			t.Errorf("group %d has members %v", group, pids)
		}
		if err := f.signal(syscall.Signal(0), nil); err != nil {
			t.Errorf("group %d: %v", group, err)
		}
	}
}

// A server that homellm did not start is measured with all that descends from it: a shell, and what that has started.
func TestTree(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 600 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var sleeper int
	if _, err := fmt.Fscan(out, &sleeper); err != nil {
		t.Fatal(err)
	}
	if got := Tree(cmd.Process.Pid); !slices.Equal(got, []int{cmd.Process.Pid, sleeper}) {
		t.Errorf("below the shell, %d: %v, want also %d", cmd.Process.Pid, got, sleeper)
	}
	if got := Tree(os.Getpid()); !slices.Contains(got, sleeper) {
		t.Errorf("below the test: %v, want also %d", got, sleeper)
	}
	if err := syscall.Kill(sleeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := Tree(cmd.Process.Pid); got != nil {
		t.Errorf("below a process that has ended: %v", got)
	}
}
