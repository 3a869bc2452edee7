package transport

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arrivals reads a TCP connection and tells when the kernel received the bytes. A reader that takes the stamps itself
// adds the time until it wakes up: some hundred microseconds on an idle machine, milliseconds on a busy one.
//
// The kernel stamps each packet (SO_TIMESTAMPNS_NEW, Linux 5.1), and a read gets the stamp of the last packet from
// which it took bytes. See Documentation/networking/timestamping.rst of the kernel.
type arrivals struct {
	nc   net.Conn
	raw  syscall.RawConn
	recv func(fd uintptr) bool // one closure for all reads

	// When the kernel last had nothing to read. Two goroutines ask the kernel, a waiting reader and a timer. The lock
	// keeps an answer with its question: each answer is stored before the next question.
	asking sync.Mutex
	empty  time.Time

	// State of the current read.
	before time.Time // an instant before its bytes arrived; zero if there is none
	into   []byte
	n      int
	errno  syscall.Errno
	stamp  time.Duration // when the bytes arrived, since 1970; Unset if the kernel gave no stamp
}

// keepStamps makes the kernel stamp packets as long as this process lives. The kernel starts to stamp some time after
// the first socket asks for it, and stops after the last such socket is closed. Without a socket that stays open, the
// first replies of a run may have no stamps. It reports whether stamps arrive, which takes some milliseconds.
//
// A datagram that was not stamped when it arrived is stamped when it is read (sock_recv_timestamp in the kernel's
// net/socket.c), while a TCP read has no stamp then. So only a stamp from before the read counts.
var keepStamps = sync.OnceValue(func() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false // connections fail then too, with an error
	}
	// The socket stays open and sends to itself. The calls are raw system calls, because the clock of a test may stand
	// still.
	wait := unix.NsecToTimeval(int64(time.Second))
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	if err != nil {
		return false
	}
	self, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	var data [1]byte
	var control [64]byte
	for range 200 {
		if unix.Sendto(fd, data[:], 0, self) != nil {
			return false
		}
		var sent unix.Timespec
		if unix.ClockGettime(unix.CLOCK_REALTIME, &sent) != nil {
			return false
		}
		_, n, _, _, err := unix.Recvmsg(fd, data[:], control[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false
		}
		if stamp := stampIn(control[:n]); stamp != Unset && stamp <= time.Duration(sent.Nano()) {
			return true
		}
		pause := unix.NsecToTimespec(int64(time.Millisecond))
		_ = unix.Nanosleep(&pause, nil) // an interrupted read is tried again sooner
	}
	return false
})

// newArrivals asks the kernel for stamps; nil where the kernel has none.
func newArrivals(nc net.Conn) *arrivals {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	refused := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	})
	if refused != nil || err != nil {
		return nil
	}
	a := &arrivals{nc: nc, raw: raw}
	a.recv = a.receive
	return a
}

// receive makes one non-blocking read. It returns false if there are no bytes yet.
func (a *arrivals) receive(fd uintptr) bool {
	var control [64]byte // a control message with a timespec takes 32
	bytes := unix.Iovec{Base: &a.into[0]}
	bytes.SetLen(len(a.into))
	for {
		message := unix.Msghdr{Iov: &bytes, Control: &control[0]}
		message.SetIovlen(1)
		message.SetControllen(len(control))
		a.asking.Lock()
		asked := time.Now()
		// A raw call, because unix.Recvmsg makes two allocations, and a call that never blocks need not go through the
		// scheduler.
		n, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&message)), unix.MSG_DONTWAIT)
		if errno == unix.EAGAIN {
			a.empty = asked
		}
		a.before = a.empty
		a.asking.Unlock()
		if errno == unix.EINTR {
			continue
		}
		a.n, a.errno, a.stamp = int(n), errno, stampIn(control[:message.Controllen])
		return errno != unix.EAGAIN
	}
}

// read is Read of the connection. It also returns the instant of its return, and how long before that the bytes
// arrived; Unset where the kernel gave no stamp.
func (a *arrivals) read(p []byte) (n int, now time.Time, age time.Duration, err error) {
	if len(p) == 0 {
		return 0, now, Unset, nil
	}
	a.into = p
	err = a.raw.Read(a.recv)
	now = time.Now()
	a.into = nil
	switch {
	case err != nil: // closed, or the deadline has passed
		if op, ok := errors.AsType[*net.OpError](err); ok {
			op.Op, op.Source, op.Addr = "read", a.nc.LocalAddr(), a.nc.RemoteAddr()
		}
		return 0, now, Unset, err
	case a.errno != 0:
		return 0, now, Unset, &net.OpError{Op: "read", Net: a.nc.LocalAddr().Network(), Source: a.nc.LocalAddr(),
			Addr: a.nc.RemoteAddr(),
			Err:  os.NewSyscallError("read", a.errno)}
	case a.n == 0:
		return 0, now, Unset, io.EOF
	}
	return a.n, now, a.age(now), nil
}

// check records the present as an instant without bytes if there is nothing to read. A timer calls it, because a
// waiting reader cannot.
func (a *arrivals) check() {
	_ = a.raw.Control(func(fd uintptr) {
		a.asking.Lock()
		defer a.asking.Unlock()
		asked := time.Now()
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); n == 0 && err == nil {
			a.empty = asked
		}
	})
}

// age is how long ago the bytes arrived. The stamp and the present are both wall clock times; if the clock was set
// back in between, the age is Unset.
func (a *arrivals) age(now time.Time) time.Duration {
	if a.stamp == Unset {
		return Unset
	}
	return max(time.Duration(now.UnixNano())-a.stamp, Unset)
}

// stampIn extracts the kernel's stamp from control messages.
func stampIn(control []byte) time.Duration {
	const header = unix.SizeofCmsghdr
	if len(control) < header+16 {
		return Unset
	}
	if h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0])); h.Level != unix.SOL_SOCKET || h.Type != unix.SO_TIMESTAMPNS_NEW {
		return Unset
	}
	stamp := control[unix.CmsgLen(0):]
	seconds, nanos := binary.NativeEndian.Uint64(stamp), binary.NativeEndian.Uint64(stamp[8:])
	return time.Duration(seconds)*time.Second + time.Duration(nanos)
}
