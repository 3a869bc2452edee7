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
// packets, without any work of the server's. Class is where the server's address lies, as [addressClass] has it.
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

// sharedSpace is what carriers and overlay networks give to machines behind them (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// addressClass says how far away an address is: loopback, private network or public. It tells where a server ran
// without telling its address.
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
