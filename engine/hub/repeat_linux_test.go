package hub

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// repeated is a block many times over, in the memory of one: a file of the size of a model, which a
// test hub can serve without holding it.
func repeated(t testing.TB, block []byte, times int) []byte {
	t.Helper()
	fd, err := unix.MemfdCreate("block", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for at := 0; at < len(block); {
		n, err := unix.Pwrite(fd, block[at:], int64(at))
		if err != nil {
			t.Fatal(err)
		}
		at += n
	}
	size := uintptr(len(block))
	room, err := unix.MmapPtr(-1, 0, nil, size*uintptr(times), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.MunmapPtr(room, size*uintptr(times)) })
	for i := range times {
		if _, err := unix.MmapPtr(fd, 0, unsafe.Add(room, uintptr(i)*size), size, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
			t.Fatal(err)
		}
	}
	return unsafe.Slice((*byte)(room), int(size)*times)
}
