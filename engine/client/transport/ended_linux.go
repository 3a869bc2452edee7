package transport

import "golang.org/x/sys/unix"

// pollHangUp makes poll say that the other end writes no more, whatever is left to be read.
const pollHangUp = unix.POLLRDHUP
