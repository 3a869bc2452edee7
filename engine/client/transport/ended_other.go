//go:build !unix

package transport

import "net"

// hungUp checks for the end of a connection without waiting. This system cannot, so the end is noticed when a request
// fails.
func hungUp(net.Conn, bool) bool { return false }
