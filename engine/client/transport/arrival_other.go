//go:build !linux

package transport

import (
	"net"
	"time"
)

// arrivals tells when the kernel received bytes. Only Linux does so for TCP.
type arrivals struct{ before time.Time }

func keepStamps() bool { return false }

func newArrivals(net.Conn) *arrivals { return nil }

func (*arrivals) read([]byte) (n int, now time.Time, age time.Duration, err error) {
	panic("there are no arrivals on this system")
}

func (*arrivals) check() {}
