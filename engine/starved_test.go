package engine_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// starved is a connection whose reader gets the processor only now and then.
type starved struct{ net.Conn }

func (s starved) Read(p []byte) (int, error) {
	time.Sleep(70 * time.Millisecond)
	return s.Conn.Read(p)
}

// TestStarvedClient measures, over real sockets, a server that sends a token every 20 ms with a client that reads only
// every 70 ms. The time to the first token is an interval that contains the truth, and gaps are unknown.
func TestStarvedClient(t *testing.T) {
	var first time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 20 {
			if i == 0 {
				first = time.Now()
			}
			fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":\" %d\"}}]}\n\n", i)
			w.(http.Flusher).Flush() // the writers of HTTP servers implement it
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],"+
			"\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":20}}\n\ndata: [DONE]\n\n")
	}))
	defer server.Close()
	c, err := client.New(client.Config{BaseURL: server.URL, Model: "m", Stream: true,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			return starved{nc}, err
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	epoch := time.Now()
	x := c.Do(t.Context(), epoch, epoch, client.Prompt{Messages: []client.Message{{Role: "user", Content: "Count."}}})
	if x.Err != nil || x.Wire.CoalescedMax < 2 {
		t.Fatalf("error %v, at most %d deltas in a read: nothing was starved", x.Err, x.Wire.CoalescedMax)
	}
	q := event.Request{Exchange: x}
	value := func(name string) metrics.Value {
		d, _ := metrics.Lookup(name)
		return d.Each(&metrics.Cell{}, &q)
	}
	truth := event.Milliseconds(first.Sub(epoch) - *x.Sent)
	switch v := value("ttft_ms"); {
	case v.Range == nil:
		t.Errorf("time to first token: %+v, want an interval", v)
	case truth < v.Range.Low || truth > v.Range.High:
		t.Errorf("time to first token between %v ms and %v ms; it was %v ms", v.Range.Low, v.Range.High, truth)
	}
	for _, name := range []string{"icl_p50_ms", "icl_max_ms", "stalls"} {
		if v := value(name); v.Known() {
			t.Errorf("%s is %v, and cannot be known", name, v.V)
		}
	}
}
