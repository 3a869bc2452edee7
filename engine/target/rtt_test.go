package target

import (
	"net"
	"testing"
)

func TestAddressClass(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1": "loopback", "127.8.8.8": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback",
		"192.168.1.20": "private network", "10.0.0.1": "private network", "172.16.0.9": "private network",
		"169.254.3.3": "private network", "fd00::1": "private network", "fe80::1": "private network",
		"100.101.102.103": "private network", "::ffff:192.168.1.20": "private network",
		"100.63.255.255": "public", "172.32.0.1": "public", "203.0.113.7": "public", "2001:db8::1": "public",
	} {
		if got := addressClass(&net.TCPAddr{IP: net.ParseIP(address), Port: 8000}); got != want {
			t.Errorf("%s is %q, want %q", address, got, want)
		}
	}
	if got := addressClass(&net.UnixAddr{Name: "x"}); got != "" {
		t.Errorf("a socket file is %q", got)
	}
}
