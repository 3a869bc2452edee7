package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"homellm/engine/crash"
	"homellm/engine/processor"
)

// Floor is how precisely this client measures on this machine at this moment. A difference between two servers that
// is smaller than twice the bias may come from the client.
type Floor struct {
	Requests int
	Chunks   int
	TTFTp50  time.Duration // median of how much too long the time to first token is measured
	TTFTp99  time.Duration // its 99th percentile, by nearest rank
	TimerP99 time.Duration // 99th percentile of how much longer a sleep of 1 ms takes
	// processor time of the whole process, including the loopback server: an upper bound; nil where the system does not
	// report it
	CPUPerChunk *time.Duration
}

// Calibrate uses short replies, so that half a second holds many first tokens.
const (
	calibration     = 500 * time.Millisecond
	calibrationGap  = time.Millisecond
	calibrationSize = 8 // chunks in a reply
	leastRequests   = 3 // on a machine so busy that fewer fit, the first included, which is not measured
)

// Calibrate measures the client against a loopback server whose timing is known, for half a
// second.
func Calibrate(ctx context.Context) (Floor, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return Floor{}, fmt.Errorf("calibrating the client: %w", err)
	}
	server := &metronome{truths: make(chan truth, 1)}
	served := make(chan struct{})
	crash.Go(func() {
		defer close(served)
		server.serve(l)
	})
	defer func() {
		l.Close()
		<-served
	}()
	c, err := New(Config{BaseURL: "http://" + l.Addr().String(), Model: "calibration", Stream: true, Idle: time.Second,
		FirstToken: time.Second})
	if err != nil {
		return Floor{}, fmt.Errorf("calibrating the client: %w", err)
	}
	defer c.CloseIdle()

	floor, err := measureFloor(ctx, c, server.truths)
	if err != nil {
		return Floor{}, fmt.Errorf("calibrating the client: %w", err)
	}
	return floor, nil
}

func measureFloor(ctx context.Context, c *Client, truths <-chan truth) (Floor, error) {
	var floor Floor
	var biases, sleeps []time.Duration
	prompt := Prompt{Messages: []Message{{Role: "user", Content: "tick"}}, MaxTokens: calibrationSize}
	start := time.Now()
	before, counted := processor.Time()
	for n := 0; n < leastRequests || time.Since(start) < calibration; n++ {
		x := c.Do(ctx, start, time.Time{}, prompt)
		if x.Err != nil {
			return Floor{}, errors.New(x.Err.Message)
		}
		var t truth
		select {
		case t = <-truths:
		case <-ctx.Done():
			return Floor{}, ctx.Err()
		}
		floor.Requests++
		floor.Chunks += len(x.Chunks)
		sleeps = append(sleeps, t.overslept...)
		if n > 0 { // the first request finds cold caches and a cold heap
			biases = append(biases, x.Chunks[0].At-*x.Sent-t.first)
		}
	}
	if after, ok := processor.Time(); ok && counted {
		per := (after - before) / time.Duration(floor.Chunks)
		floor.CPUPerChunk = &per
	}
	floor.TTFTp50, floor.TTFTp99 = nearestRank(biases, 50), nearestRank(biases, 99)
	floor.TimerP99 = nearestRank(sleeps, 99)
	return floor, nil
}

// nearestRank is the p-th percentile: the smallest value that p percent of the values do not exceed. It is zero for
// no values, which cannot happen in a calibration.
func nearestRank(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[max((len(values)*p+99)/100, 1)-1]
}

// truth is what the metronome measured for one request.
type truth struct {
	first     time.Duration // from reading the request to writing the first token
	overslept []time.Duration
}

// metronome answers every request with a few tokens at a known pace.
type metronome struct{ truths chan truth }

func (m *metronome) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		m.answer(conn)
	}
}

const (
	tickHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	tick     = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" tick\"},\"finish_reason\":null}]}\n\n"
	tickEnd  = "data: [DONE]\n\n"
)

// answer serves one connection until the client closes it.
func (m *metronome) answer(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		received := time.Now()
		t := truth{}
		_, err = io.WriteString(conn, tickHead)
		for i := range calibrationSize {
			asleep := time.Now()
			time.Sleep(calibrationGap)
			now := time.Now()
			t.overslept = append(t.overslept, now.Sub(asleep)-calibrationGap)
			if i == 0 {
				t.first = now.Sub(received)
			}
			if err == nil {
				_, err = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(tick), tick)
			}
		}
		if err == nil {
			_, err = fmt.Fprintf(conn, "%x\r\n%s\r\n0\r\n\r\n", len(tickEnd), tickEnd)
		}
		if err != nil {
			return
		}
		m.truths <- t
	}
}
