//go:build unix

package transport

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp checks for the end of a connection without waiting. If the server owes nothing, anything to read means the
// end. If something may arrive at any time, such as TLS records, only a hang-up counts. It is false for a connection
// that is not a socket.
func hungUp(nc net.Conn, due bool) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	const ends = unix.POLLERR | unix.POLLHUP | pollHangUp
	over := false
	err = raw.Control(func(fd uintptr) {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | pollHangUp}}
		for {
			if _, err := unix.Poll(polled, 0); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		seen := polled[0].Revents
		over = seen&ends != 0 || !due && seen&unix.POLLIN != 0
	})
	return err == nil && over
}
