package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// checkPort makes sure that a server can listen at an address. A used one is a [*PortError]: the new server would
// fail, or pick another port silently, and the old one would be measured in its place.
func checkPort(ctx context.Context, address string) error {
	// Both checks, because macOS lets a port be bound on one interface that is used on all.
	dialer := net.Dialer{Timeout: 250 * time.Millisecond}
	if conn, err := dialer.DialContext(ctx, "tcp", address); err == nil {
		_ = conn.Close() // nothing was written to it
		return &PortError{Address: address, err: errors.New("something answers there")}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return &PortError{Address: address, err: err}
	}
	return listener.Close()
}

// FreePort finds a free port of an interface. It may be used by the time the server starts; [Start] checks again.
func FreePort(ctx context.Context, host string) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("finding a free port on %s: %w", host, err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// PortError says that an address is in use.
type PortError struct {
	Address string
	err     error
}

// Error implements error.
func (e *PortError) Error() string {
	return fmt.Sprintf("cannot listen at %s: %v", e.Address, e.err)
}

// Unwrap returns the reason.
func (e *PortError) Unwrap() error { return e.err }

// Hint is what to do about it.
func (e *PortError) Hint() string {
	return "homellm servers shows what is there; stop it, attach to it with --url, or choose another port"
}
