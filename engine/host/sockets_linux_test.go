package host

import (
	"fmt"
	"net"
	"os"
	"testing"
)

// Sockets of both versions of IP are found with their address and their process, and no others.
func TestSocketsAt(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", "0.0.0.0:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err) // a machine without this version of IP
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		c, err := net.Dial("tcp", l.Addr().String()) // a connection from the port is none that listens
		if err != nil {
			t.Fatal(err)
		}
		found, err := socketsAt(t.Context(), port)
		host, _, _ := net.SplitHostPort(l.Addr().String())
		if err != nil || len(found) != 1 || found[0] != (socket{ip: host, pid: os.Getpid()}) {
			t.Errorf("%s: %+v, %v", at, found, err)
		}
		c.Close()
		l.Close()
		if found, err := socketsAt(t.Context(), port); err != nil || len(found) > 0 {
			t.Errorf("%s is closed: %+v, %v", at, found, err)
		}
	}
}

func TestHexAddress(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1 8080",
		"00000000000000000000000001000000:0050": "::1 80",
		"B80D01200000000067452301EFCDAB89:0001": "2001:db8::123:4567:89ab:cdef 1",
		"0000000000000000FFFF00000100007F:0050": "127.0.0.1 80",
	} {
		ip, port, ok := hexAddress(text)
		if got := fmt.Sprint(ip, " ", port); !ok || got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", ":0050", "0100007F", "0100007F:", "010000:0050", "0100007G:0050", "0100007F:10000"} {
		if ip, port, ok := hexAddress(text); ok {
			t.Errorf("%q is read as %s %d", text, ip, port)
		}
	}
}
