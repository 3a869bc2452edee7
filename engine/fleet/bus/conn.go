//go:build fleet

package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"homellm/engine/crash"
	"homellm/engine/exit"
	"homellm/engine/fleet"
)

// Conn is a connection to a fleet. When it breaks it is made again, as often as needed.
type Conn struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	key    Key
	closed chan struct{} // closed when the connection has ended for good

	mu      sync.Mutex
	renewed chan struct{} // closed when the connection is made again; the next time it is another one
}

// Dial connects to a fleet. An empty address means that of the key. Warn is told when the connection breaks.
func Dial(ctx context.Context, address string, key Key, warn func(format string, args ...any)) (*Conn, error) {
	if address == "" {
		address = key.Address
	}
	c := &Conn{key: key, closed: make(chan struct{}), renewed: make(chan struct{})}
	options, err := c.options(warn)
	if err != nil {
		return nil, err
	}
	if c.nc, err = nats.Connect(address, options...); err != nil {
		return nil, unreached(address, err)
	}
	if c.js, err = jetstream.New(c.nc); err != nil {
		c.nc.Close()
		return nil, err
	}
	began := false
	if key.Role == Operator {
		began, err = c.makeStreams(ctx)
	}
	if err == nil && !began {
		err = c.sameProtocol(ctx)
	}
	if err != nil {
		c.nc.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) options(warn func(format string, args ...any)) ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name("homellm " + c.key.Name),
		nats.CustomInboxPrefix(inbox(c.key.Name)),
		nats.MaxReconnects(-1),
		nats.PingInterval(10 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				warn("the connection to the fleet broke: %v; it is made again", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.renew()
			warn("the connection to the fleet is back")
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				warn("the fleet refuses: %v", err)
			}
		}),
	}
	if c.key.creds != "" {
		options = append(options, nats.UserCredentials(c.key.creds))
	} else {
		pair, err := nkeys.FromSeed([]byte(c.key.Seed))
		if err != nil {
			return nil, err
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Nkey(public, pair.Sign))
	}
	if c.key.CA != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(c.key.CA)) {
			return nil, exit.Errorf(exit.Usage, "copy the file again", "the certificate in the key of the fleet is damaged")
		}
		options = append(options, nats.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}))
	}
	return options, nil
}

// renew tells those who wait for an answer that it was lost with the connection.
func (c *Conn) renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.renewed)
	c.renewed = make(chan struct{})
}

// broke is closed when the connection that is there now has broken and was made again.
func (c *Conn) broke() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renewed
}

// errBroke says that an answer will not come any more.
var errBroke = errors.New("the connection broke before the answer came")

// answer is for a question whose answer comes within a time, or gets lost with the connection.
func (c *Conn) answer(ctx context.Context, within time.Duration) (context.Context, func()) {
	ctx, done := context.WithTimeout(ctx, within)
	ctx, lost := context.WithCancelCause(ctx)
	broke := c.broke()
	stop := make(chan struct{})
	crash.Go(func() {
		select {
		case <-broke:
			lost(errBroke)
		case <-stop:
		}
	})
	return ctx, sync.OnceFunc(func() {
		close(stop)
		lost(nil)
		done()
	})
}

// publish sends a message, and returns when it is stored.
func (c *Conn) publish(ctx context.Context, subject string, data []byte,
	opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	asking, done := c.answer(ctx, 5*time.Second)
	defer done()
	return c.js.Publish(asking, subject, data, opts...)
}

// unreached explains why no connection was made.
func unreached(address string, err error) error {
	hint := "is homellm fleet serve or a NATS server running there, at an address that is reachable from here?"
	switch text := err.Error(); {
	case errors.Is(err, nats.ErrAuthorization):
		hint = "the key is not one of this fleet, or it was revoked: homellm fleet key list"
	case strings.Contains(text, "certificate"):
		hint = "the key belongs to another fleet, or the address has a name that the certificate lacks"
	case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		hint = "the key is from when the fleet listened at another address: make a new one with homellm fleet key add"
	}
	return exit.Errorf(exit.Environment, hint, "the fleet at %s cannot be reached: %w", address, err)
}

// Close ends the connection after everything was sent.
func (c *Conn) Close() {
	_ = c.nc.FlushTimeout(2 * time.Second) // what matters was confirmed when it was sent
	c.nc.Close()
}

// clustered is how many brokers of a cluster have each stream: one may fail.
const clustered = 3

// makeStreams makes the streams that are missing, and says whether the fleet began with that.
func (c *Conn) makeStreams(ctx context.Context) (began bool, err error) {
	replicas := 1
	if c.nc.ConnectedClusterName() != "" {
		replicas = clustered
	}
	for _, config := range streams(replicas) {
		_, err := c.js.Stream(ctx, config.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			_, err = c.js.CreateStream(ctx, config)
		}
		if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && replicas > 1 && refusal.Code >= 500 {
			hint := fmt.Sprintf("a cluster needs %d brokers with JetStream, which all run when a fleet begins", replicas)
			return false, exit.Errorf(exit.Environment, hint, "making the streams of the fleet: %w", err)
		}
		if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return false, exit.Errorf(exit.Environment, "", "making the streams of the fleet: %w", err)
		}
	}
	if _, _, err := c.read(ctx, stateStream, aboutSubject); errors.Is(err, errNone) {
		_, err = c.publish(ctx, aboutSubject, []byte(strconv.Itoa(fleet.Protocol)))
		return true, err
	}
	return false, nil
}

// sameProtocol checks that the fleet speaks the protocol of this program.
func (c *Conn) sameProtocol(ctx context.Context) error {
	data, _, err := c.read(ctx, stateStream, aboutSubject)
	if err != nil {
		return exit.Errorf(exit.Environment, "is it the broker of a fleet?", "asking the fleet for its version: %w", err)
	}
	if said := string(data); said != strconv.Itoa(fleet.Protocol) {
		return exit.Errorf(exit.Environment, "install the same version of homellm everywhere",
			"the fleet speaks version %s of its protocol, and this homellm version %d", said, fleet.Protocol)
	}
	return nil
}

// errNone says that a stream has no message with a subject.
var errNone = errors.New("there is no such message")

// read returns the latest message with a subject, and its number in the stream. The subject is part of what is asked
// for, so that the permissions of a key can tell subjects apart.
func (c *Conn) read(ctx context.Context, stream, subject string) ([]byte, uint64, error) {
	asking, done := c.answer(ctx, 10*time.Second)
	defer done()
	m, err := c.nc.RequestWithContext(asking, "$JS.API.DIRECT.GET."+stream+"."+subject, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("reading %s: %w", subject, err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
		seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
		return m.Data, seq, err
	case "404":
		return nil, 0, errNone
	default:
		return nil, 0, fmt.Errorf("reading %s: %s %s", subject, status, m.Header.Get("Description"))
	}
}

// wrongLast reads from the refusal of a message which one is the latest with its subject.
func wrongLast(err error) (last uint64, wrong bool) {
	refusal, ok := errors.AsType[*jetstream.APIError](err)
	if !ok || refusal.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
		return 0, false
	}
	_, number, _ := strings.Cut(refusal.Description, ": ")
	last, err = strconv.ParseUint(number, 10, 64)
	return last, err == nil
}
