//go:build unix

package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A server that was left over listens late, while the one that was started loads: what answers is not ours.
func TestStart_AnotherProcessAnswers(t *testing.T) {
	t.Parallel()
	address, started := freeAddress(t), "HOMELLM_TEST_STARTED="+filepath.Join(t.TempDir(), "started")
	left := exec.Command(os.Args[0])
	left.Env = append(os.Environ(), childEnv+"=late", "HOMELLM_TEST_ADDR="+address, started)
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = left.Process.Kill()
		_ = left.Wait() // it was killed
	}()
	spec := specOf("never_ready", t.TempDir(), address)
	spec.Env = append(spec.Env, started)
	p, err := Start(t.Context(), spec)
	if err == nil {
		t.Fatal(p.Stop(), "it is ready, and another process answered")
	}
	_, taken := errors.AsType[*PortError](err)
	if !taken || !strings.Contains(err.Error(), fmt.Sprint("process ", left.Process.Pid)) {
		t.Errorf("got %v, and process %d answers", err, left.Process.Pid)
	}
	if !alive(left.Process.Pid) {
		t.Error("it is not ours, and was ended")
	}
	if found, err := Leftovers(spec.StateDir); err != nil || len(found) != 0 {
		t.Errorf("left over: %v, %v", found, err)
	}
}

// The address of a live record is refused, though nothing listens there yet.
func TestStart_AddressOfARecord(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	loading := specOf("never_ready", dir, address)
	loading.Ready = nil
	p, err := Start(t.Context(), loading)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	second := specOf("serve", dir, address)
	if _, err := Start(t.Context(), second); err == nil {
		t.Error("a second one started at the address")
	} else if _, taken := errors.AsType[*PortError](err); !taken {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(second.Log); err == nil {
		t.Error("something was started nevertheless")
	}
	if elsewhere, err := Start(t.Context(), specOf("serve", dir, freeAddress(t))); err != nil {
		t.Errorf("another address: %v", err)
	} else if err := elsewhere.Stop(); err != nil {
		t.Error(err)
	}
}

// What another homellm stopped did not die.
func TestErr_StoppedByAnother(t *testing.T) {
	dir := t.TempDir()
	p, err := Start(t.Context(), specOf("serve", dir, freeAddress(t)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Unseen() {
		t.Error("who answers is a child of this process, and is not seen")
	}
	found, err := Leftovers(filepath.Join(dir, "state"))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	if err := StopLeftover(found[0], 5*time.Second); err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if err := p.Err(); err != nil {
		t.Errorf("got %v", err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestOwned(t *testing.T) {
	ours, theirs := listening{10, "vllm"}, listening{20, "vllm"}
	for _, c := range []struct {
		name    string
		all     []listening
		command string
		seen    bool
		foreign int
	}{
		{name: "ours", all: []listening{ours}, seen: true},
		{name: "ours, by two sockets", all: []listening{{}, ours}, seen: true},
		{name: "theirs", all: []listening{theirs}, seen: true, foreign: 20},
		{name: "theirs beside ours", all: []listening{theirs, ours}, seen: true},
		{name: "another user's", all: []listening{{}}},
		{name: "a container's", all: []listening{{30, "docker-proxy"}}},
		{name: "started in a container", all: []listening{{30, "something"}}, command: "/usr/bin/podman"},
		{name: "none is found", all: nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen, foreign := owned(c.all, []int{9, 10, 11}, c.command)
			pid := 0
			if foreign != nil {
				pid = foreign.pid
			}
			if seen != c.seen || pid != c.foreign {
				t.Errorf("seen %v, foreign %d; want %v, %d", seen, pid, c.seen, c.foreign)
			}
		})
	}
	for _, c := range []struct {
		listens, asked string
		want           bool
	}{{"127.0.0.1", "127.0.0.1", true}, {"0.0.0.0", "127.0.0.1", true}, {"::", "127.0.0.1", true},
		{"192.168.1.2", "127.0.0.1", false}, {"127.0.0.1", "0.0.0.0", true}, {"127.0.0.1", "localhost", true}} {
		if got := covers(c.listens, c.asked); got != c.want {
			t.Errorf("%s answers at %s: %v", c.listens, c.asked, got)
		}
	}
}
