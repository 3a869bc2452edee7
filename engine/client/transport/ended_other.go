//go:build !unix

package transport

import "net"

// hungUp would check a connection without waiting. This system cannot, so a connection that has ended is noticed when a
// request on it fails.
func hungUp(net.Conn, bool) bool { return false }
