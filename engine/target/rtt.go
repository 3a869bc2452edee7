package target

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// loopback reports whether a host name or address means this machine.
func loopback(name string) bool {
	if name == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.IsLoopback()
}

// roundTrips is how many connections the shortest round trip is taken of.
const roundTrips = 5

// roundTrip is the shortest time in which a connection to the server was made: one exchange of
// packets, without any work of the server's.
func roundTrip(ctx context.Context, address string) (shortest time.Duration, ok bool) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	dialer := net.Dialer{Timeout: time.Second}
	for range roundTrips {
		began := time.Now()
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			return 0, false
		}
		took := time.Since(began)
		_ = conn.Close() // nothing was sent
		if !ok || took < shortest {
			shortest, ok = took, true
		}
	}
	return shortest, ok
}
