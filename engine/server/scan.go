package server

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"homellm/engine/crash"
	"homellm/engine/engines"
)

// knock bounds one attempt to connect to a port of this machine.
const knock = 250 * time.Millisecond

// Scan probes ports of this machine, [engines.Ports] if none are named, all at the same time. It returns one result
// per port, in the order of ports. A port without a listener takes as long as a refused connection. Scan never leaves
// the loopback interface.
func Scan(ctx context.Context, ports ...int) ([]Found, error) {
	if len(ports) == 0 {
		ports = engines.Ports()
	}
	found := make([]Found, len(ports))
	errs := make([]error, len(ports))
	client := NewHTTPClient("")
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	for i, port := range ports {
		group.Go(crash.Guarded(func() {
			host, ok := listening(ctx, port)
			if !ok {
				found[i] = Found{URL: "http://127.0.0.1:" + strconv.Itoa(port), State: NotRunning, Detail: "nothing listens there"}
				return
			}
			found[i], errs[i] = Probe(ctx, "http://"+net.JoinHostPort(host, strconv.Itoa(port)), client)
		}))
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("scanning this machine's ports: %w", context.Cause(ctx))
	}
	return found, nil
}

// listening finds the loopback address on which a port accepts connections. Some servers bind to "localhost" and get
// IPv6 only.
func listening(ctx context.Context, port int) (host string, ok bool) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		dialer := net.Dialer{Timeout: knock}
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close() // nothing was written to it
			return host, true
		}
	}
	return "", false
}

// Answering probes ports of this machine once each and returns what answers, by port.
func Answering(ctx context.Context, ports []int) (map[int]Found, error) {
	var once []int
	for _, port := range ports {
		if port > 0 && !slices.Contains(once, port) {
			once = append(once, port)
		}
	}
	list, err := Scan(ctx, once...)
	if err != nil {
		return nil, err
	}
	out := map[int]Found{}
	for _, f := range list {
		if f.State != NotRunning {
			out[f.Port()] = f
		}
	}
	return out, nil
}

// PortOf is the port of an address; 0 if it has none.
func PortOf(address string) int {
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		return 0
	}
	return n
}
