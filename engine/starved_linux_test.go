package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// stoppedAt tells the process that is stopped where its server is, and where to write what it measured.
const stoppedAt = "HOMELLM_TEST_STOPPED"

// seenStopped is what a process measured that was stopped meanwhile.
type seenStopped struct {
	Epoch    int64 // wall clock of the start of the run, in ns
	Exchange event.Exchange
}

// TestStoppedClient_Child is the client of [TestStoppedClient], in a separate process.
func TestStoppedClient_Child(t *testing.T) {
	where := os.Getenv(stoppedAt)
	if where == "" {
		t.Skip("it is started by TestStoppedClient")
	}
	c, err := client.New(client.Config{BaseURL: os.Getenv(stoppedAt + "_URL"), Model: "m", Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	epoch := time.Now()
	x := c.Do(t.Context(), epoch, epoch, client.Prompt{Messages: []client.Message{{Role: "user", Content: "Count."}}})
	data, err := json.Marshal(seenStopped{Epoch: epoch.UnixNano(), Exchange: x})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(where, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStoppedClient measures a server of a token every 20 ms by a process that is stopped while the first tokens come,
// and once more later: the kernel has the stamp of the last of those that waited. The time to the first token is an
// interval that contains the truth, gaps and stalls are unknown, and decode speed is what it was.
func TestStoppedClient(t *testing.T) {
	child := make(chan *os.Process, 1)
	var before, after time.Time // of the write of the first token
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		process := <-child
		signal := func(after time.Duration, what syscall.Signal) {
			time.AfterFunc(after, func() { _ = process.Signal(what) }) // it has not ended before its reply has
		}
		for _, at := range []time.Duration{100, 350} {
			signal(at*time.Millisecond, syscall.SIGSTOP)
			signal((at+130)*time.Millisecond, syscall.SIGCONT)
		}
		began := time.Now()
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 30 {
			time.Sleep(time.Until(began.Add(150*time.Millisecond + time.Duration(i)*20*time.Millisecond)))
			if i == 0 {
				before = time.Now()
			}
			fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":\" %d\"}}]}\n\n", i)
			_ = http.NewResponseController(w).Flush() // a client that has gone is noticed below
			if i == 0 {
				after = time.Now()
			}
		}
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],"+
			"\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":30}}\n\ndata: [DONE]\n\n")
	}))
	defer server.Close()
	out := filepath.Join(t.TempDir(), "seen.json")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestStoppedClient_Child$")
	cmd.Env = append(os.Environ(), stoppedAt+"="+out, stoppedAt+"_URL="+server.URL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child <- cmd.Process
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var seen seenStopped
	if err := json.Unmarshal(data, &seen); err != nil {
		t.Fatal(err)
	}
	x := seen.Exchange
	switch {
	case x.Err != nil:
		t.Fatal(x.Err.Message)
	case x.Wire.StampedBy != "kernel":
		t.Skipf("arrivals are stamped by the %s here", x.Wire.StampedBy)
	case x.Wire.CoalescedMax < 2:
		t.Fatalf("at most %d deltas in a read: nothing was starved", x.Wire.CoalescedMax)
	}
	q := event.Request{Exchange: x}
	value := func(name string) metrics.Value {
		d, _ := metrics.Lookup(name)
		return d.Each(&metrics.Cell{}, &q)
	}
	sent := time.Unix(0, seen.Epoch).Add(*x.Sent)
	switch v := value("ttft_ms"); {
	case v.Range == nil:
		t.Errorf("time to first token: %+v, want an interval", v)
	case event.Milliseconds(after.Sub(sent)) < v.Range.Low || event.Milliseconds(before.Sub(sent)) > v.Range.High:
		t.Errorf("time to first token between %v ms and %v ms; it was %v ms", v.Range.Low, v.Range.High,
			event.Milliseconds(before.Sub(sent)))
	}
	for _, name := range []string{"icl_p50_ms", "icl_p99_ms", "icl_max_ms", "stalls"} {
		if v := value(name); v.Known() {
			t.Errorf("%s is %v, and cannot be known", name, v.V)
		}
	}
	if v, ok := value("output_tps").Number(); !ok || v < 35 || v > 65 {
		t.Errorf("decode speed %+v, the truth is 50", value("output_tps"))
	}
}
