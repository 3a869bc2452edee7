package host

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A zombie holds no resources, and stays for ever if no process reaps it: Stop must not wait for it.
func TestFamily_Zombie(t *testing.T) {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // it is reaped only now
	pid := cmd.Process.Pid
	deadline := time.Now().Add(10 * time.Second)
	for {
		s, err := readStat(pid)
		if err != nil {
			t.Fatal(err)
		}
		if s.state == "Z" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not end")
		}
		time.Sleep(time.Millisecond)
	}
	if pids := (family{group: pid}).members(); len(pids) != 0 {
		t.Errorf("members %v", pids)
	}
	if _, ok := birth(pid); ok {
		t.Error("it passes for a living process")
	}
}
