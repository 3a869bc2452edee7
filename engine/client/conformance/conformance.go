// Package conformance compares what the client measures with what a golden server really did, for one shape of stream
// after another.
package conformance

import (
	"context"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"homellm/engine/client"
	"homellm/engine/client/goldentest"
	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/wire"
)

// Options says how the shapes are played. Server and Base are required.
type Options struct {
	Server *goldentest.Server
	Base   string // the server's address, such as http://127.0.0.1:8080
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)

	// Tolerance is how far an instant may be off, and Share how far a time per token may be, as a share of its value.
	// Zero demands equality, which holds in virtual time.
	Tolerance time.Duration
	Share     float64
	// Tries is how often a shape is played if a time is off, at least once: on a busy machine the server's write and
	// the client's read may be late, and neither is wrong. Counts and texts are compared once only.
	Tries int

	FirstToken time.Duration
	Idle       time.Duration

	Only func(shape goldentest.Shape, api string) bool   // nil: all
	New  func(client.Config) (*client.Client, error)     // nil: client.New
	Seen func(goldentest.Shape, string, *event.Exchange) // receives every exchange; may be nil
}

// maxBytes bounds a reply: more than the largest good shape, less than the endless one.
const maxBytes = 8 << 20

// Row is one figure of one shape. Unknown values are "unknown", never zero.
type Row struct {
	Shape, API, Figure string
	Truth, Measured    string
	OK                 bool
	timed              bool
}

// Run plays every shape in each of its APIs and returns the rows in order.
func Run(ctx context.Context, o Options) ([]Row, error) {
	var rows []Row
	for _, shape := range goldentest.Shapes() {
		for _, api := range shape.APIs {
			if o.Only != nil && !o.Only(shape, api) {
				continue
			}
			var got []Row
			for try := range max(o.Tries, 1) {
				var err error
				if got, err = o.play(ctx, shape, api, try); err != nil {
					return rows, fmt.Errorf("shape %s in %s: %w", shape.Name, api, err)
				}
				if !lateOnly(got) {
					break
				}
			}
			rows = append(rows, got...)
		}
	}
	return rows, nil
}

// Failed returns the rows that are wrong.
func Failed(rows []Row) []Row {
	var bad []Row
	for _, r := range rows {
		if !r.OK {
			bad = append(bad, r)
		}
	}
	return bad
}

// lateOnly reports whether only times are wrong.
func lateOnly(rows []Row) bool {
	bad := Failed(rows)
	for _, r := range bad {
		if !r.timed {
			return false
		}
	}
	return len(bad) > 0
}

func (o Options) play(ctx context.Context, shape goldentest.Shape, api string, try int) ([]Row, error) {
	id := fmt.Sprintf("%s-%s-%d", shape.Name, api, try)
	base := o.Base + "/" + shape.Name + "/" + id
	if api != goldentest.Ollama {
		base += "/v1"
	}
	open := o.New
	if open == nil {
		open = client.New
	}
	c, err := open(client.Config{
		BaseURL: base, APIKey: "secret-key", Model: "golden", API: wire.API(api), Stream: true,
		FirstToken: o.FirstToken, Idle: o.Idle, MaxBytes: maxBytes, Dial: o.Dial,
	})
	if err != nil {
		return nil, err
	}
	x := c.Do(ctx, time.Now(), time.Time{}, client.Prompt{
		Messages: []client.Message{{Role: "user", Content: "What is the torque?"}}, Text: "What is the torque?",
		MaxTokens: 64,
	})
	c.CloseIdle()
	if o.Seen != nil {
		o.Seen(shape, api, &x)
	}
	truth, ok := o.Server.Truth(id)
	if !ok {
		return nil, fmt.Errorf("the request never reached the server: %v", x.Err)
	}
	t := table{shape: shape.Name, api: api, o: o}
	t.text("class", truth.Class, class(x.Err))
	t.text("text", truth.Text("answer", "refusal"), x.Text)
	t.text("reasoning", truth.Text("reasoning"), x.Reasoning)
	t.text("tools", truth.Text("tool"), x.Tools)
	t.text("finish", truth.Finish, x.Finish)
	t.count("prompt tokens", truth.Prompt, x.Usage.Prompt)
	t.count("completion tokens", truth.Completion, x.Usage.Completion)
	t.count("cached tokens", truth.Cached, x.Usage.Cached)
	t.count("reasoning tokens", truth.Thought, x.Usage.Reasoning)
	t.text("tokens per event", told(truth), counted(x))
	t.times(truth, x)
	t.gaveUp(x)
	t.text("open connections", "0", strconv.Itoa(o.openSoon()))
	if x.Err != nil && x.Err.Message == "" {
		t.text("message", "one that says what to do", "")
	}
	return t.rows, nil
}

func class(e *event.Error) string {
	if e == nil {
		return ""
	}
	return e.Class
}

// told returns the tokens per event that the wire reports.
func told(truth goldentest.Truth) string {
	var b strings.Builder
	for _, k := range truth.Tokens {
		b.WriteString(perEvent(k.Told))
	}
	return b.String()
}

func counted(x event.Exchange) string {
	var b strings.Builder
	for _, k := range x.Chunks {
		n := -1
		if k.Tokens != nil {
			n = *k.Tokens
		}
		b.WriteString(perEvent(n))
	}
	return b.String()
}

func perEvent(n int) string {
	if n < 0 {
		return "? "
	}
	return strconv.Itoa(n) + " "
}

// openSoon is how many connections the server still has. A real server notices a close a moment later.
func (o Options) openSoon() int {
	for range 100 {
		if n, _ := o.Server.Conns(); n == 0 {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	n, _ := o.Server.Conns()
	return n
}

// table collects the rows of one shape.
type table struct {
	shape, api string
	o          Options
	rows       []Row
}

func (t *table) add(r Row) {
	r.Shape, r.API = t.shape, t.api
	t.rows = append(t.rows, r)
}

func (t *table) text(figure, truth, measured string) {
	t.add(Row{Figure: figure, Truth: truth, Measured: measured, OK: truth == measured})
}

func (t *table) count(figure string, truth int, measured *int) {
	want, got := "unknown", "unknown"
	if truth >= 0 {
		want = strconv.Itoa(truth)
	}
	if measured != nil {
		got = strconv.Itoa(*measured)
	}
	t.text(figure, want, got)
}

// times compares the time figures and every instant with the truth.
func (t *table) times(truth goldentest.Truth, x event.Exchange) {
	q := event.Request{Exchange: x}
	q.Buffered = metrics.Buffered(&x, metrics.Pace{Output: t.o.Server.Pace().Gap}) != ""

	want := span(truth.TTFT())
	t.figure("TTFT", want, measured("ttft_ms", &q), t.o.Tolerance, x.Wire.CoalescedMax < 2 && !q.Buffered)
	want = span(truth.TPOT())
	t.figure("TPOT", want, measured("tpot_ms", &q), time.Duration(float64(want.d)*t.o.Share), truth.Told())

	var worst time.Duration
	for i, k := range x.Chunks {
		if i < len(truth.Tokens) && x.Sent != nil {
			worst = max(worst, (k.At - *x.Sent - truth.Tokens[i].At.Sub(truth.Received)).Abs())
		}
	}
	t.duration("worst instant", span(0, true), span(worst, true), 2*t.o.Tolerance)
}

// measured is a figure in the form of the reports.
func measured(name string, q *event.Request) metrics.Value {
	d, _ := metrics.Lookup(name)
	q.Err = nil // how much of a broken reply arrived is compared as well
	return d.Each(&metrics.Cell{}, q)
}

// figure compares a figure with the truth: a number must equal it within the tolerance, and an interval must contain
// it. The figure may be unknown only where the wire does not determine it.
func (t *table) figure(name string, want interval, got metrics.Value, tolerance time.Duration, told bool) {
	row := Row{Figure: name, Truth: want.String(), Measured: "unknown"}
	f, known := got.Number()
	switch {
	case known:
		is := span(time.Duration(math.Round(f*float64(time.Millisecond))), true)
		row.Measured, row.timed = is.String(), want.known
		row.OK = want.known && (is.d-want.d).Abs() <= max(tolerance, roundedOff)
	case got.Range != nil:
		low, high := got.Range.Low, got.Range.High
		at := float64(want.d) / float64(time.Millisecond)
		slack := float64(max(tolerance, roundedOff)) / float64(time.Millisecond)
		row.Measured, row.timed = fmt.Sprintf("%.3f ms to %.3f ms", low, high), true
		row.OK = want.known && !told && low-slack <= at && at <= high+slack
	default:
		row.OK = !want.known || !told
	}
	if row.Measured == "unknown" && row.OK {
		row.Truth = "unknown"
	}
	t.add(row)
}

// roundedOff is what rounding from nanoseconds to milliseconds may change.
const roundedOff = time.Nanosecond

// gaveUp checks that a request that times out ends when its time-out says.
func (t *table) gaveUp(x event.Exchange) {
	if x.Err == nil || x.Sent == nil {
		return
	}
	switch x.Err.Class {
	case "timeout_first_token":
		t.duration("gave up after", span(t.o.FirstToken, true), span(x.Done-*x.Sent, true), t.o.Tolerance)
	case "timeout_idle":
		t.duration("gave up after", span(t.o.Idle, true), span(x.Done-x.Chunks[len(x.Chunks)-1].At, true), t.o.Tolerance)
	}
}

// interval is a duration that may be unknown.
type interval struct {
	d     time.Duration
	known bool
}

func span(d time.Duration, known bool) interval { return interval{d, known} }

func (i interval) String() string {
	if !i.known {
		return "unknown"
	}
	return fmt.Sprintf("%.3f ms", float64(i.d)/float64(time.Millisecond))
}

func (t *table) duration(figure string, want, got interval, tolerance time.Duration) {
	t.add(Row{
		Figure: figure, Truth: want.String(), Measured: got.String(),
		OK: want.known == got.known && (got.d-want.d).Abs() <= tolerance, timed: want.known && got.known,
	})
}
