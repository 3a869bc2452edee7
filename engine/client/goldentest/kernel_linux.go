package goldentest

import (
	"encoding/binary"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelConn is a TCP connection whose bytes the kernel stamps. A program that reads the clock before it writes may
// lose its processor in between, for milliseconds on a busy machine, and the client would look wrong. See
// Documentation/networking/timestamping.rst of the kernel; the client gets its stamps by another option and with
// separate code.
type kernelConn struct {
	*net.TCPConn
	raw      syscall.RawConn
	received time.Time // when the last bytes read arrived
	written  uint32    // bytes so far: the kernel's key of a stamp
}

// stampable asks the kernel for stamps; where there are none it returns the connection unchanged.
func stampable(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	const flags = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_OPT_ID |
		unix.SOF_TIMESTAMPING_OPT_TSONLY
	refused := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, flags)
	})
	if refused != nil || err != nil {
		return conn
	}
	return &kernelConn{TCPConn: tcp, raw: raw, received: time.Now()}
}

func (w *kernelConn) Read(p []byte) (n int, err error) {
	control := make([]byte, 128)
	var size int
	failed := w.raw.Read(func(fd uintptr) bool {
		n, size, _, _, err = unix.Recvmsg(int(fd), p, control, 0)
		return err != unix.EAGAIN
	})
	if failed != nil || err != nil || n == 0 {
		return w.TCPConn.Read(p) // reported as net reports it
	}
	w.received = time.Now()
	if at, _, ok := stamp(control[:size]); ok {
		w.received = at
	}
	return n, nil
}

func (w *kernelConn) came() time.Time { return w.received }

func (w *kernelConn) Write(p []byte) (int, error) {
	n, err := w.TCPConn.Write(p)
	w.written += uint32(n)
	return n, err
}

// send writes, and returns when the kernel sent the last byte. If the kernel does not say, exact is false and the
// instant is the one before the write.
func (w *kernelConn) send(p []byte) (left time.Time, exact bool, err error) {
	before := time.Now()
	var n int
	refused := w.raw.Write(func(fd uintptr) bool {
		n, err = unix.SendmsgN(int(fd), p, askForStamp, nil, 0)
		return err != unix.EAGAIN
	})
	switch {
	case refused != nil:
		return before, false, refused
	case err != nil:
		return before, false, err
	}
	w.written += uint32(n)
	if n < len(p) { // the buffer is full: the kernel sends the rest later
		_, err := w.Write(p[n:])
		return before, false, err
	}
	if at, ok := w.sent(); ok {
		return at, true, nil
	}
	return before, false, nil
}

// sent reads the stamp of the last byte written.
func (w *kernelConn) sent() (at time.Time, ok bool) {
	control := make([]byte, 128)
	err := w.raw.Control(func(fd uintptr) {
		for !ok {
			_, size, _, _, err := unix.Recvmsg(int(fd), nil, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			var last uint32
			at, last, ok = stamp(control[:size])
			ok = ok && last == w.written-1
		}
	})
	return at, ok && err == nil
}

// askForStamp is the control message that requests a stamp for the data it is sent with.
var askForStamp = func() []byte {
	const size = 4 // of the flags
	b := make([]byte, unix.CmsgSpace(size))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.SOL_SOCKET, unix.SO_TIMESTAMPING
	h.SetLen(unix.CmsgLen(size))
	binary.NativeEndian.PutUint32(b[unix.CmsgLen(0):], unix.SOF_TIMESTAMPING_TX_SOFTWARE)
	return b
}()

// stamp extracts the kernel's stamp from control messages, and the number of the last byte it belongs to.
func stamp(control []byte) (at time.Time, last uint32, ok bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return at, 0, false
	}
	now := time.Now()
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPING_NEW && len(m.Data) >= 16:
			seconds, nanos := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			at, ok = now.Add(time.Unix(int64(seconds), int64(nanos)).Sub(now.Round(0))), true
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_RECVERR && len(m.Data) >= 16,
			m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_RECVERR && len(m.Data) >= 16:
			last = binary.NativeEndian.Uint32(m.Data[12:]) // ee_data
		}
	}
	return at, last, ok
}
