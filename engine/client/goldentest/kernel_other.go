//go:build !linux

package goldentest

import "net"

// stampable is for kernels that stamp bytes. See kernel_linux.go.
func stampable(conn net.Conn) net.Conn { return conn }
