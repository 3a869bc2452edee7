package hub

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain lets the test program play a pull that is killed, or timed.
func TestMain(m *testing.M) {
	if endpoint := os.Getenv("HOMELLM_TEST_PULL"); endpoint != "" {
		c := Cache{Dir: os.Getenv("HOMELLM_TEST_CACHE")}
		_, err := c.Pull(context.Background(), Hub{Endpoint: endpoint, Agent: os.Getenv("HOMELLM_TEST_AGENT")}, PullSpec{Repo: "acme/tiny"}, PullOptions{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func pullCommand(h *testHub, c Cache) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "HOMELLM_TEST_PULL="+h.hub.URL, "HOMELLM_TEST_CACHE="+c.Dir)
	return cmd
}

// kill -9 in the middle, three times over: every run goes on where the last one was.
func TestPullAfterKill(t *testing.T) {
	h := newTestHub(t)
	h.put("model.safetensors", noise(3, 8*chunkBytes+99))
	size := int64(len(h.files["model.safetensors"]))
	c := Cache{Dir: t.TempDir()}
	var served, stop atomic.Int64
	var current atomic.Value // what the present run calls itself
	h.set(func(w http.ResponseWriter, r *http.Request) bool {
		if agent, _ := current.Load().(string); agent != "" && r.UserAgent() != agent {
			return true // of a run that was killed, met late
		}
		if strings.Contains(r.URL.Path, "resolve") || !strings.HasSuffix(r.URL.Path, "model.safetensors") {
			return false
		}
		if served.Add(1) > stop.Load() {
			<-r.Context().Done() // hangs until it is killed
			return true
		}
		return false
	})
	etag := h.etag("model.safetensors")
	for kill := range 3 {
		stop.Store(served.Load() + 2)
		cmd := pullCommand(h, c)
		current.Store(fmt.Sprintf("run %d", kill))
		cmd.Env = append(cmd.Env, fmt.Sprintf("HOMELLM_TEST_AGENT=run %d", kill))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() }) // a failure must not leave it waiting for the hub
		want := int64(2*(kill+1)) * chunkBytes
		for deadline := time.Now().Add(30 * time.Second); c.started(h.repo, Remote{Bytes: size, Etag: etag}) < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("kill %d: only %d bytes came", kill, c.started(h.repo, Remote{Bytes: size, Etag: etag}))
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if c.Has(h.repo, h.commit, "model.safetensors", -1) || exists(c.blob(h.repo, etag)) {
			t.Fatal("an unfinished file looks finished")
		}
		if stored, err := c.List(); err != nil || len(stored) != 1 || stored[0].Unfinished < want {
			t.Errorf("the list shows %+v, %v; want %d bytes unfinished", stored, err, want)
		}
		served.Store(stop.Load())
	}
	h.set(nil)
	p := mustPull(t, c, h, PullSpec{})
	checkFile(t, p, h, "model.safetensors")
	if want := size - 6*chunkBytes; p.Fetched != want {
		t.Errorf("after three kills %d bytes were fetched, want %d", p.Fetched, want)
	}
	if left := leftovers(t, c, h.repo); left != nil {
		t.Errorf("left over: %v", left)
	}
}

// lines are what a server can send in a second: fast home lines, and no limit, where the pull also pays
// for hashing and for waiting on the disk, which curl does not do. A quarter of a gigabyte fits into
// the memory that a kernel lets wait for the disk; a model does not.
var lines = []struct {
	name  string
	rate  float64 // bytes a second; 0: no limit
	times int     // 256 MiB in the file
}{
	{"1Gbit", 125e6, 1},
	{"2.5Gbit", 312e6, 1},
	{"5Gbit", 625e6, 1},
	{"unlimited", 0, 1},
	{"unlimited-6GiB", 0, 24},
}

// BenchmarkPull and BenchmarkCurl fetch the same file from the same server, each with a program of its own.
func BenchmarkPull(b *testing.B) {
	for _, line := range lines {
		b.Run(line.name, func(b *testing.B) {
			h := lineHub(b, line.rate, line.times)
			for b.Loop() {
				c := Cache{Dir: b.TempDir()}
				if out, err := pullCommand(h, c).CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				b.StopTimer()
				if _, err := c.Remove(h.repo, ""); err != nil {
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
			h := lineHub(b, line.rate, line.times)
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

func lineHub(b *testing.B, rate float64, times int) *testHub {
	h := newTestHub(b)
	data := noise(5, 256<<20)
	if times > 1 {
		data = repeated(b, data, times)
	}
	h.put("model.safetensors", data)
	h.etag("model.safetensors")
	h.rate = rate
	b.SetBytes(int64(len(h.files["model.safetensors"])))
	return h
}
