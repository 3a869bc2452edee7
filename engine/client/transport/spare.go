package transport

import (
	"context"
	"errors"
	"net"
	"time"

	"homellm/engine/crash"
)

// spare is a connection made ahead. A goroutine reads from it, to notice when the server closes it. What arrives
// meanwhile, such as TLS session tickets and HTTP/2 settings, is kept for the exchange that uses the connection.
type spare struct {
	nc   net.Conn
	conn *conn         // the conn inside nc
	done chan struct{} // closed when the goroutine has returned from Read
	live bool          // valid once done is closed
}

// warm makes a connection for the next request, unless one is ready, and returns how long that took; nil if one was
// ready.
func (p *pool) warm(ctx context.Context) (*time.Duration, error) {
	if p.ready() {
		return nil, nil
	}
	nc, err := p.make(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	c := stamped(nc)
	c.warmed = true
	s := &spare{nc: nc, conn: c, done: make(chan struct{})}
	p.mu.Lock()
	old := p.spare
	p.spare = s
	p.mu.Unlock()
	if old != nil { // another caller has warmed meanwhile
		old.nc.Close()
	}
	crash.Go(func() { p.readAhead(s) })
	return &c.took, nil
}

func (p *pool) readAhead(s *spare) {
	const most = 64 << 10
	var err error
	for buf := make([]byte, 512); err == nil && len(s.conn.early) < most; {
		var n int
		n, err = s.conn.Conn.Read(buf)
		s.conn.early = append(s.conn.early, buf[:n]...)
	}
	var timeout net.Error
	s.live = errors.As(err, &timeout) && timeout.Timeout()
	if !s.live {
		p.mu.Lock()
		if p.spare == s {
			p.spare = nil
		}
		p.mu.Unlock()
		s.nc.Close()
	}
	close(s.done)
}

// takeSpare returns the connection made ahead, if there is one and it is alive.
func (p *pool) takeSpare() net.Conn {
	p.mu.Lock()
	s := p.spare
	p.spare = nil
	p.mu.Unlock()
	if s == nil {
		return nil
	}
	if err := s.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		s.nc.Close() // this too ends the goroutine's read
	}
	<-s.done
	if !s.live || s.conn.SetReadDeadline(time.Time{}) != nil {
		s.nc.Close()
		return nil
	}
	return s.nc
}

// close drops the connection made ahead.
func (p *pool) close() {
	if nc := p.takeSpare(); nc != nil {
		nc.Close()
	}
}
