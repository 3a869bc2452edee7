package transport

import "golang.org/x/sys/unix"

// pollHangUp makes poll report that the other end has closed its writing side, even if there are bytes left to read.
const pollHangUp = unix.POLLRDHUP
