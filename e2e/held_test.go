//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/csv"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// holding is a proxy that holds back the replies to requests with a text: in whole, or their beginning for a while.
func holding(t *testing.T, to, text string, hold time.Duration) (address string) {
	t.Helper()
	forward := forwardTo(t, to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 1<<22))
		if err != nil {
			t.Error(err)
		}
		q.Body = readCloser{bytes.NewReader(body)}
		switch {
		case !bytes.Contains(body, []byte(text)):
			forward.ServeHTTP(w, q)
		case hold > 0:
			forward.ServeHTTP(&late{w, hold}, q)
		default:
			whole := httptest.NewRecorder()
			forward.ServeHTTP(whole, q)
			maps.Copy(w.Header(), whole.Header())
			w.WriteHeader(whole.Code)
			if _, err := w.Write(whole.Body.Bytes()); err != nil {
				t.Log(err)
			}
		}
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// late writes its first bytes a while after it got them.
type late struct {
	http.ResponseWriter
	hold time.Duration
}

func (l *late) Write(b []byte) (int, error) {
	time.Sleep(l.hold)
	l.hold = 0
	return l.ResponseWriter.Write(b)
}

func (l *late) Flush() {
	if l.hold == 0 {
		l.ResponseWriter.(http.Flusher).Flush()
	}
}

// rows are the turns of the last run, as turns.csv has them.
func (p program) rows(t *testing.T) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(filepath.Join(p.dir, "out", "turns.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range all[1:] {
		row := map[string]string{}
		for i, v := range values {
			row[all[0][i]] = v
		}
		rows = append(rows, row)
	}
	return rows
}

// TestGateway_HoldsBackOne: a proxy that keeps the reply of one turn until it is whole is noted on that turn, whose
// time to the first token and decode speed are then no numbers.
func TestGateway_HoldsBackOne(t *testing.T) {
	further(t)
	r := record(t, startLlamaServer(t), nil)
	p := build(t)
	turns := p.once(t, "--url", holding(t, r.address, "What is your codename?", 0))
	agree(t, turns, r.last(t, len(turns)))
	for _, row := range p.rows(t) {
		if row["step"] == "codename" && (row["ttft_ms"] != "" || row["output_tps"] != "") {
			t.Errorf("the turn has numbers: %s ms and %s tokens/s", row["ttft_ms"], row["output_tps"])
		}
	}
	texts := strings.Join(notes(p.events(t, "out"), "buffered"), "\n")
	if !strings.Contains(texts, "codename") {
		t.Errorf("the note on the turn is %q", texts)
	}
}

// TestGateway_HoldsBackAWhile: a reply whose beginning comes 150 ms late is noted on its turn, unless what the way adds
// to other turns of the run scatters as much.
func TestGateway_HoldsBackAWhile(t *testing.T) {
	further(t)
	const held = 150 * time.Millisecond
	r := record(t, startLlamaServer(t), nil)
	p := build(t)
	turns := p.once(t, "--url", holding(t, r.address, "What is your codename?", held))
	agree(t, turns, r.last(t, len(turns)))
	var adds []float64
	last := 0.0
	for _, q := range turns {
		added := (q.Chunks[0].At-*q.Sent).Seconds()*1000 - q.Timings["server.prefill_ms"]
		adds = append(adds, added)
		last = added
	}
	slices.Sort(adds)
	median := adds[(len(adds)-1)/2]
	var off []float64
	for _, a := range adds {
		off = append(off, max(a-median, median-a))
	}
	slices.Sort(off)
	expected := last-median > max(50, 5*off[(len(off)-1)/2])
	noted := false
	for _, row := range p.rows(t) {
		if row["warmup"] == "false" && row["step"] == "codename" {
			_, err := strconv.ParseFloat(row["ttft_ms"], 64)
			noted = err != nil
		}
	}
	if noted != expected {
		t.Errorf("noted: %v; the way adds %.0f ms to the turn, and %.0f to all", noted, last, adds)
	}
	// If a reply is complete before its beginning is let through, it was held back as a whole.
	events := p.events(t, "out")
	if noted && len(notes(events, "unexplained"))+len(notes(events, "buffered")) == 0 {
		t.Error("the run has no note")
	}
}
