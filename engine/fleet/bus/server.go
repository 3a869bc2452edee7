//go:build fleet

package bus

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"homellm/engine/exit"
)

// Broker is an embedded NATS server with JetStream.
type Broker struct {
	Listen string // host:port
	Store  Store
	Warn   func(format string, args ...any) // what the server has to say that needs attention
}

// Serve runs the broker until the context is cancelled. Ready is called when it accepts connections.
func (b Broker) Serve(ctx context.Context, ready func(address string)) error {
	host, port, err := b.listen()
	if err != nil {
		return err
	}
	var secure *tls.Config
	if !loopback(host) {
		certificate, err := b.Store.certify(host)
		if err != nil {
			return exit.Errorf(exit.Environment, "", "making a certificate: %w", err)
		}
		secure = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	}
	address := "nats://" + net.JoinHostPort(reachable(host), strconv.Itoa(port))
	admitted, err := b.Store.open(address)
	if err != nil {
		return err
	}
	options := func(m members) *server.Options {
		return &server.Options{
			ServerName: "homellm-fleet", Host: host, Port: port, NoSigs: true,
			JetStream: true, StoreDir: b.Store.path("streams"), DisableJetStreamBanner: true,
			// A job that is sent to a box that is cut off waits for the end of its lease.
			PingInterval: 10 * time.Second,
			// What the disk has: a share of what is free now would be too little where little is free.
			JetStreamMaxStore: 1 << 50,
			MaxPayload:        1 << 20, TLSConfig: secure, TLS: secure != nil, TLSTimeout: 10, Nkeys: users(m),
		}
	}
	for {
		err := b.serve(ctx, address, admitted, options, func() { ready(address) })
		if !errors.Is(err, errFull) {
			return err
		}
		if err := b.roomAgain(ctx); err != nil {
			return err
		}
		if admitted, err = b.Store.read(); err != nil {
			return err
		}
		ready = func(string) {} // it was said before
	}
}

// serve runs a server until the context is cancelled, or until it cannot store what it is sent.
func (b Broker) serve(ctx context.Context, address string, admitted members,
	options func(members) *server.Options, ready func()) error {
	s, err := server.NewServer(options(admitted))
	if err != nil {
		return exit.Errorf(exit.Environment, "", "starting the broker: %w", err)
	}
	full := make(chan struct{})
	s.SetLoggerV2(warnings{b.Warn, sync.OnceFunc(func() { close(full) })}, false, false, false)
	s.Start()
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	if !s.ReadyForConnections(20 * time.Second) {
		return exit.Errorf(exit.Environment, "choose another address with --listen", "the broker cannot listen at %s",
			b.Listen)
	}
	if err := b.prepare(ctx, address); err != nil {
		return err
	}
	ready()
	return b.follow(ctx, s, admitted, options, full)
}

// prepare makes the streams.
func (b Broker) prepare(ctx context.Context, address string) error {
	key, err := ReadKey(b.Store.path(string(Operator) + ".key"))
	if err != nil {
		return nil //nolint:nilerr // the first operator was revoked: another one makes them
	}
	c, err := Dial(ctx, address, key, b.Warn)
	if err != nil {
		return err
	}
	c.Close()
	return nil
}

// follow admits and closes out keys as the file of keys changes, until the end or until the disk is full.
func (b Broker) follow(ctx context.Context, s *server.Server, admitted members,
	options func(members) *server.Options, full chan struct{}) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-full:
			return errFull
		case <-t.C:
		}
		now, err := b.Store.read()
		if err != nil || reflect.DeepEqual(now.Keys, admitted.Keys) {
			continue // it is being written
		}
		if err := s.ReloadOptions(options(now)); err != nil {
			b.Warn("the keys were not read again: %v", err)
		}
		admitted = now
	}
}

func (b Broker) listen() (host string, port int, err error) {
	host, number, err := net.SplitHostPort(b.Listen)
	if err == nil {
		port, err = strconv.Atoi(number)
	}
	if err != nil || port <= 0 || port > 65535 {
		return "", 0, exit.Errorf(exit.Usage, "write it like 127.0.0.1:4222", "--listen %q is no address", b.Listen)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

// loopback says whether an address is reachable from this machine only.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// reachable is the name under which other machines reach an address.
func reachable(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			return name
		}
	}
	return host
}

// users are what the keys may do. A worker sends only under its own name, takes jobs and reads the documents whose
// tokens it was told. It neither adds a job nor reads what others send.
func users(m members) []*server.NkeyUser {
	var out []*server.NkeyUser
	for _, k := range m.Keys {
		u := &server.NkeyUser{Nkey: k.Public}
		if k.Role == Worker {
			u.Permissions = &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{
					"fleet.from." + k.Name + ".>",
					"$JS.API.CONSUMER.MSG.NEXT." + jobsStream + ".*",
					"$JS.ACK." + jobsStream + ".>",
					"$JS.API.DIRECT.GET." + filesStream + ".fleet.file.>",
					"$JS.API.DIRECT.GET." + boxesStream + ".fleet.from." + k.Name + ".box.*",
					"$JS.API.DIRECT.GET." + stateStream + "." + aboutSubject,
					"$JS.API.DIRECT.GET." + stateStream + ".fleet.set." + k.Name + ".*",
					"$JS.API.DIRECT.GET." + stateStream + ".fleet.over.>",
				}},
				Subscribe: &server.SubjectPermission{Allow: []string{inbox(k.Name) + ".>", "fleet.set." + k.Name + ".*"}},
			}
		}
		out = append(out, u)
	}
	return out
}

// configured are the users as the configuration of a NATS server has them.
func configured(m members) ([]byte, error) {
	type subjects struct {
		Allow []string `json:"allow"`
	}
	type permissions struct {
		Publish   subjects `json:"publish"`
		Subscribe subjects `json:"subscribe"`
	}
	type user struct {
		Nkey        string       `json:"nkey"`
		Permissions *permissions `json:"permissions,omitempty"`
	}
	all := make([]user, 0, len(m.Keys))
	for _, u := range users(m) {
		of := user{Nkey: u.Nkey}
		if p := u.Permissions; p != nil {
			of.Permissions = &permissions{subjects{p.Publish.Allow}, subjects{p.Subscribe.Allow}}
		}
		all = append(all, of)
	}
	var b bytes.Buffer
	b.WriteString("# The keys of a fleet, for the account of a NATS server. homellm fleet key writes this file.\nusers: ")
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(all)
	return b.Bytes(), err
}

// inbox is where a key gets its replies.
func inbox(key string) string { return "_INBOX_" + key }

// warnings passes on the warnings and errors of the server, and tells when it cannot store what it is sent.
type warnings struct {
	warn func(format string, args ...any)
	full func()
}

func (warnings) Noticef(string, ...any) {}
func (warnings) Debugf(string, ...any)  {}
func (warnings) Tracef(string, ...any)  {}

func (w warnings) Warnf(format string, args ...any) { w.warn("broker: "+format, args...) }
func (w warnings) Errorf(format string, args ...any) {
	w.warn("broker: "+format, args...)
	if unstored(fmt.Sprintf(format, args...)) {
		w.full()
	}
}

// Fatalf is called where the server cannot go on, such as a port that is taken.
func (w warnings) Fatalf(format string, args ...any) {
	w.warn("broker: %s", fmt.Sprintf(format, args...))
}
