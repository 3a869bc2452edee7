package transport

import "sync/atomic"

// Unset marks an instant that was not seen. Zero is an instant.
const Unset = -1

// Stamps are the instants of one exchange, in nanoseconds since the start of its pool. The connection sets them:
// conn.Write stamps the first byte of a request, conn.Read the bytes of the reply.
type Stamps struct {
	wrote  atomic.Int64 // first write, or Unset
	read   atomic.Int64 // last read that delivered bytes, or Unset
	before atomic.Int64 // an instant before any byte of that read arrived, or Unset
	reads  atomic.Int64 // number of reads
	unaged atomic.Int64 // number of reads without a stamp of the kernel
}

// NewStamps returns the stamps of an exchange that has not begun.
func NewStamps() *Stamps {
	s := new(Stamps)
	s.wrote.Store(Unset)
	s.read.Store(Unset)
	s.before.Store(Unset)
	return s
}

// Arrived records a read that delivered bytes: when they arrived, and an instant before any of them arrived; Unset if
// none is known.
func (s *Stamps) Arrived(at, before int64) {
	s.read.Store(at)
	s.before.Store(before)
	s.reads.Add(1)
}

// LastRead is when the last bytes arrived; Unset if none did.
func (s *Stamps) LastRead() int64 { return s.read.Load() }

// Before is an instant before any byte of the last read arrived; Unset if none is known.
func (s *Stamps) Before() int64 { return s.before.Load() }

// Reads counts the reads that delivered bytes.
func (s *Stamps) Reads() int64 { return s.reads.Load() }

// By says who stamped the arrivals: the kernel, or the reader if it had to for one read. It is empty if nothing
// arrived.
func (s *Stamps) By() string {
	switch {
	case s.reads.Load() == 0:
		return ""
	case s.unaged.Load() == 0:
		return "kernel"
	}
	return "reader"
}
