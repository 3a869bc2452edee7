//go:build unix

package transport

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp looks at a connection on which nothing is due, without waiting: the server's end of it shows
// as something to read. Under TLS records may come at any time, so only a hang-up counts there.
// It is false for a connection that is no socket.
func hungUp(nc net.Conn, secure bool) bool {
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
		look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | pollHangUp}}
		for {
			if _, err := unix.Poll(look, 0); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		seen := look[0].Revents
		over = seen&ends != 0 || !secure && seen&unix.POLLIN != 0
	})
	return err == nil && over
}
