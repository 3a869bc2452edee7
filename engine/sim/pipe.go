package sim

import (
	"context"
	"net"
	"net/http"
	"sync"

	"homellm/engine/crash"
)

// Pipe serves h over connections in memory, for a client in the same process. dial has the form of
// http.Transport.DialContext and ignores the address. shut ends all connections and returns when every
// handler has. Connections are net.Pipe: a write waits until the other side reads, and inside
// a testing/synctest bubble all of it is idle while it waits. The client's idle connections
// have to be closed before the bubble ends, which shut does from this side.
func Pipe(h http.Handler) (dial func(ctx context.Context, network, addr string) (net.Conn, error), shut func()) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	var work sync.WaitGroup
	var mu sync.Mutex
	closing := false // nothing is added to work once it is waited for
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if closing {
			mu.Unlock()
			return
		}
		work.Add(1)
		mu.Unlock()
		defer work.Done()
		h.ServeHTTP(w, r)
	})}
	served := make(chan struct{})
	crash.Go(func() {
		_ = srv.Serve(l) // it always ends with ErrServerClosed or net.ErrClosed
		close(served)
	})
	return l.dial, func() {
		_ = srv.Close() // closing a pipe does not fail
		<-served
		mu.Lock()
		closing = true
		mu.Unlock()
		work.Wait()
	}
}

// pipeListener hands the server's ends of pipes to an http.Server.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
