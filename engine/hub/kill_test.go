package hub

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestMain lets the test program play a pull that is killed, or timed.
func TestMain(m *testing.M) {
	if endpoint := os.Getenv("HOMELLM_TEST_PULL"); endpoint != "" {
		c := Cache{Dir: os.Getenv("HOMELLM_TEST_CACHE")}
		_, err := c.Pull(context.Background(), Hub{Endpoint: endpoint}, (&testHub{repo: "acme/tiny"}).spec(), PullOptions{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := flag.Set("test.parallel", "8"); err != nil { // most of each test is waiting
		panic(err)
	}
	os.Exit(m.Run())
}

func pullCommand(h *testHub, c Cache) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "HOMELLM_TEST_PULL="+h.hub.URL, "HOMELLM_TEST_CACHE="+c.Dir)
	return cmd
}

// A pull is killed with SIGKILL in the middle, three times: each time the next one continues where the last one
// stopped.
func TestPullAfterKill(t *testing.T) {
	h := newTestHub(t)
	h.put("model.safetensors", noise(3, 8*piece+99))
	large := File{Bytes: int64(len(h.files["model.safetensors"])), Hash: h.etag("model.safetensors")}
	c := Cache{Dir: t.TempDir()}
	h.stopAfter(2*piece, func() {})
	for kill := range 3 {
		cmd := pullCommand(h, c)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // a failure must not leave it waiting for the hub
		want := int64(2*(kill+1)) * piece
		for deadline := time.Now().Add(30 * time.Second); c.started(h.repo, large) < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("kill %d: only %d bytes came", kill, c.started(h.repo, large))
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if exists(c.link(h.repo, h.commit, "model.safetensors")) || exists(c.blob(h.repo, large.Hash)) {
			t.Fatal("an unfinished file looks finished")
		}
		if stored, err := c.List(); err != nil || len(stored) != 1 || stored[0].Unfinished < want {
			t.Errorf("the list shows %+v, %v; want %d bytes unfinished", stored, err, want)
		}
	}
	h.set(nil)
	p := mustPull(t, c, h, PullSpec{})
	checkFile(t, p, h, "model.safetensors")
	if want := large.Bytes - 6*piece; p.Fetched != want {
		t.Errorf("after three kills %d bytes were fetched, want %d", p.Fetched, want)
	}
	if left := leftovers(t, c, h.repo); left != nil {
		t.Errorf("left over: %v", left)
	}
}

// lines are what a server can send in a second: fast home lines, and no limit, where the pull also pays
// for hashing and for waiting on the disk, which curl does not do.
var lines = []struct {
	name string
	rate float64 // bytes a second; 0: no limit
}{
	{"1Gbit", 125e6},
	{"2.5Gbit", 312e6},
	{"unlimited", 0},
}

// BenchmarkPull and BenchmarkCurl fetch the same file from the same server, each in a separate process.
func BenchmarkPull(b *testing.B) {
	for _, line := range lines {
		b.Run(line.name, func(b *testing.B) {
			h := lineHub(b, line.rate)
			for b.Loop() {
				c := Cache{Dir: b.TempDir()}
				if out, err := pullCommand(h, c).CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				b.StopTimer()
				if _, err := c.Remove(h.repo); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func BenchmarkCurl(b *testing.B) {
	if _, err := exec.LookPath("curl"); err != nil {
		b.Skip(err)
	}
	for _, line := range lines {
		b.Run(line.name, func(b *testing.B) {
			h := lineHub(b, line.rate)
			path := b.TempDir() + "/out"
			for b.Loop() {
				cmd := exec.Command("curl", "-sfL", "-o", path, h.hub.URL+"/acme/tiny/resolve/"+h.commit+"/model.safetensors")
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := os.Remove(path); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func lineHub(b *testing.B, rate float64) *testHub {
	h := newTestHub(b)
	h.put("model.safetensors", noise(5, 512<<20))
	h.etag("model.safetensors")
	h.rate = rate
	b.SetBytes(int64(len(h.files["model.safetensors"])))
	return h
}
