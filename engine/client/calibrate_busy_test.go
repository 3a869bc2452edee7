package client

import (
	"net"
	"testing"
	"time"
)

// sleepy is a listener on a machine that is so busy that a connection is served late.
type sleepy struct{ net.Listener }

func (l sleepy) Accept() (net.Conn, error) {
	time.Sleep(calibration)
	return l.Listener.Accept()
}

// TestCalibrate_BusyMachine checks that a calibration measures something even if its first request takes all its time.
func TestCalibrate_BusyMachine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server := &metronome{truths: make(chan truth, 1)}
	go server.serve(sleepy{l})
	c, err := New(Config{BaseURL: "http://" + l.Addr().String(), Model: "calibration", Stream: true, Idle: time.Minute,
		FirstToken: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	f, err := measureFloor(t.Context(), c, server.truths)
	if err != nil || f.Requests < leastRequests || f.TTFTp50 <= 0 {
		t.Errorf("%+v, %v", f, err)
	}
}
