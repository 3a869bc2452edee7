package otlp

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlpmetrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	otlptrace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"homellm/engine/compare"
	"homellm/engine/history"
	"homellm/engine/metrics"
	"homellm/engine/results"
)

// collector is one that keeps what it is sent. TracesData and MetricsData read as the requests of the service do, whose
// types would bring gRPC along.
type collector struct {
	mu      sync.Mutex
	paths   []string
	key     string
	raw     []byte
	traces  []*otlptrace.TracesData
	metrics []*otlpmetrics.MetricsData
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	c.paths, c.key, c.raw = append(c.paths, r.URL.Path), r.Header.Get("X-Key"), append(c.raw, body...)
	var m proto.Message
	switch r.URL.Path {
	case "/in/v1/traces":
		t := &otlptrace.TracesData{}
		c.traces, m = append(c.traces, t), t
	case "/in/v1/metrics":
		t := &otlpmetrics.MetricsData{}
		c.metrics, m = append(c.metrics, t), t
	}
	if err != nil || m == nil || proto.Unmarshal(body, m) != nil || len(m.ProtoReflect().GetUnknown()) > 0 {
		w.WriteHeader(http.StatusBadRequest)
	}
}

// unset is an environment in which nothing is set.
func unset(string) string { return "" }

// played folds a recorded run.
func played(t *testing.T, name string) *metrics.Run {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join("..", "report", "testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "journal.jsonl"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func value(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_ArrayValue:
		return value(v.ArrayValue.Values[0])
	}
	return nil
}

func attributes(all []*common.KeyValue) map[string]any {
	out := map[string]any{}
	for _, kv := range all {
		out[kv.Key] = value(kv.Value)
	}
	return out
}

// told is a turn as its span tells it.
func told(start, end int64, a map[string]any) string {
	return fmt.Sprint(start, end, " ", a["homellm.step"], a["homellm.repeat"], a["homellm.warmup"], " ",
		a["gen_ai.usage.input_tokens"], a["gen_ai.usage.output_tokens"], a["gen_ai.usage.cache_read.input_tokens"], " ",
		a["error.type"], a["gen_ai.response.finish_reasons"])
}

// journalled are the turns of a run, in the words of their spans.
func journalled(run *metrics.Run) (out []string) {
	whole := func(n *int) any {
		if n == nil {
			return nil
		}
		return int64(*n)
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	for _, c := range run.Cells {
		for _, q := range c.Requests {
			a := map[string]any{"homellm.step": q.Step, "homellm.repeat": int64(q.Repeat), "homellm.warmup": q.Warmup,
				"gen_ai.usage.input_tokens": whole(q.Usage.Prompt), "gen_ai.usage.output_tokens": whole(q.Usage.Completion),
				"gen_ai.usage.cache_read.input_tokens": whole(q.Cached), "gen_ai.response.finish_reasons": text(q.Finish)}
			if q.Err != nil {
				a["error.type"] = q.Err.Class
			}
			at := run.Started.Started.UnixNano()
			out = append(out, told(at+int64(begun(q)), at+int64(q.Done), a))
		}
	}
	slices.Sort(out)
	return out
}

// sent sends a recorded run to a collector.
func sent(t *testing.T, name string) (*metrics.Run, *collector) {
	t.Helper()
	run := played(t, name)
	return run, send(t, run)
}

func send(t *testing.T, run *metrics.Run) *collector {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	to, err := NewCollector(server.URL+"/in/v1/traces", "1.2.3", os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Send(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every turn of the journal arrives as a span with what the journal says of it, below the span of its conversation, and
// nothing that was said in it.
func TestSend_Spans(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=sesame")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1") // the address is that of the command line
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	for _, name := range []string{"failing", "matrix"} {
		run, c := sent(t, name)
		if c.key != "sesame" {
			t.Errorf("the header is %q", c.key)
		}
		var turns []string
		traces, children := map[string]string{}, map[string]int{} // by the conversation's span
		for _, request := range c.traces {
			for _, of := range request.ResourceSpans {
				about := attributes(of.Resource.Attributes)
				if about["service.name"] != "homellm" || about["homellm.run.id"] != run.Started.ID {
					t.Errorf("%s: %v", name, about)
				}
				for _, s := range of.ScopeSpans[0].Spans {
					if len(s.ParentSpanId) == 0 {
						traces[string(s.SpanId)] = string(s.TraceId)
					}
				}
			}
		}
		for _, request := range c.traces {
			for _, of := range request.ResourceSpans {
				for _, s := range of.ScopeSpans[0].Spans {
					a := attributes(s.Attributes)
					if a["homellm.simulated"] == nil || a["gen_ai.provider.name"] == "" || a["server.address"] != "127.0.0.1" {
						t.Errorf("%s: %s: %v", name, s.Name, a)
					}
					if len(s.ParentSpanId) == 0 {
						continue
					}
					if traces[string(s.ParentSpanId)] != string(s.TraceId) || !strings.HasPrefix(s.Name, "chat ") {
						t.Errorf("%s: %s lies below no conversation", name, s.Name)
					}
					children[string(s.ParentSpanId)]++
					turns = append(turns, told(int64(s.StartTimeUnixNano), int64(s.EndTimeUnixNano), a))
				}
			}
		}
		slices.Sort(turns)
		if diff := cmp.Diff(journalled(run), turns); diff != "" {
			t.Errorf("%s: (-journal +spans)\n%s", name, diff)
		}
		if len(children) != len(traces) || len(traces) == 0 {
			t.Errorf("%s: %d conversations, %d with turns", name, len(traces), len(children))
		}
		for _, cell := range run.Cells {
			for _, q := range cell.Requests {
				if len(q.Text) > 12 && strings.Contains(string(c.raw), q.Text) {
					t.Errorf("%s: a reply was sent: %q", name, q.Text)
				}
			}
		}
	}
}

// The figures are those of the reports, the unknown ones are missing and not 0, and the histograms hold the measured
// turns.
func TestSend_Figures(t *testing.T) {
	for _, name := range []string{"failing", "matrix", "passing", "passing, counted in part"} {
		name, part := strings.CutSuffix(name, ", counted in part")
		run := played(t, name)
		for i, q := range run.Cells[0].Requests {
			if part && i%2 == 0 {
				q.Usage.Completion, q.Cached = nil, nil
			}
		}
		c, unknown := send(t, run), 0
		want, measured := map[string]float64{}, 0
		for _, cell := range run.Cells {
			figures := history.Run{Figures: compare.Kept(cell)}
			for path := range figures.Figures {
				if v, ok := figures.Value(path).Number(); ok {
					want[cell.ID+" "+path] = v
				} else {
					unknown++
				}
			}
			measured += len(cell.Measured(metrics.Group{}))
		}
		_, code, _ := run.Outcome()
		want["exit_code"] = float64(code)
		got, turns := map[string]float64{}, 0
		for _, m := range c.metrics[0].ResourceMetrics[0].ScopeMetrics[0].Metrics {
			switch data := m.Data.(type) {
			case *otlpmetrics.Metric_Gauge:
				for _, p := range data.Gauge.DataPoints {
					a := attributes(p.Attributes)
					path := strings.TrimPrefix(m.Name, "homellm.")
					if a["homellm.scope"] != nil {
						at := fmt.Sprint(a["homellm.scope"], ".", a["homellm.name"])
						path = fmt.Sprint(a["homellm.cell"], " ", strings.TrimSuffix(at, "."), ".", path)
					}
					got[path] = p.GetAsDouble()
				}
			case *otlpmetrics.Metric_Histogram:
				for _, p := range data.Histogram.DataPoints {
					if m.Name == "gen_ai.client.operation.duration" {
						turns += int(p.Count)
					}
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || len(want) < 2 {
			t.Errorf("%s: (-run +sent)\n%s", name, diff)
		}
		if part != (unknown > 0) {
			t.Errorf("%s: %d figures are unknown", name, unknown)
		}
		if turns != measured {
			t.Errorf("%s: the histogram has %d turns of %d", name, turns, measured)
		}
	}
}

// A collector that refuses, or is not there, is an error that names no key.
func TestSend_Fails(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	for _, address := range []string{refusing.URL, "http://127.0.0.1:1"} {
		to, err := NewCollector(address, "", unset)
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Send(t.Context(), played(t, "passing")); err == nil {
			t.Errorf("%s: no error", address)
		}
	}
}

// One that takes everything and says nothing is waited for so long and no longer.
func TestSend_EndsWaiting(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(release)
	to, err := NewCollector(silent.URL, "", unset)
	if err != nil {
		t.Fatal(err)
	}
	if to.patience != 10*time.Second {
		t.Errorf("it waits for %s", to.patience)
	}
	to.patience = 50 * time.Millisecond
	if err := to.Send(t.Context(), played(t, "passing")); err == nil || !strings.Contains(err.Error(), "within 50ms") {
		t.Errorf("it says %v", err)
	}
}

func TestNewCollector(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:4318":            "http://127.0.0.1:4318",
		"http://127.0.0.1:4318/":           "http://127.0.0.1:4318",
		"https://host/otlp":                "https://host/otlp",
		"http://host:4318/v1/traces":       "http://host:4318",
		"http://host:4318/otlp/v1/metrics": "http://host:4318/otlp",
		"127.0.0.1:4318":                   "",
		"ftp://host":                       "",
		"http://user:password@host":        "",
		"http://host?key=1":                "",
		"":                                 "",
	} {
		c, err := NewCollector(address, "", unset)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken", address)
		case want == "" && strings.Contains(err.Error(), "password"):
			t.Errorf("%q: %v", address, err)
		case want != "" && (err != nil || c.spans.url != want+"/v1/traces" || c.figures.url != want+"/v1/metrics"):
			t.Errorf("%q: %v, %v", address, c, err)
		}
	}
}
