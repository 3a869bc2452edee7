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

// roundTrips is the number of connections for the shortest round trip.
const roundTrips = 5

// roundTrip is the shortest time to connect to the server: one exchange of packets, without any work of the server.
// Class is the class of the server's address, as in [addressClass].
func roundTrip(ctx context.Context, address string) (shortest time.Duration, class string, ok bool) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, "", false
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
			return 0, "", false
		}
		took := time.Since(began)
		class = addressClass(conn.RemoteAddr())
		_ = conn.Close() // nothing was sent
		if !ok || took < shortest {
			shortest, ok = took, true
		}
	}
	return shortest, class, ok
}

// sharedSpace is the address range of carriers and overlay networks for machines behind them (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// addressClass is the distance of an address: loopback, private network or public. It describes where a server ran
// without its address.
func addressClass(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return ""
	}
	switch ip := tcp.AddrPort().Addr().Unmap(); {
	case !ip.IsValid():
		return ""
	case ip.IsLoopback():
		return "loopback"
	case ip.IsPrivate(), ip.IsLinkLocalUnicast(), sharedSpace.Contains(ip):
		return "private network"
	}
	return "public"
}
