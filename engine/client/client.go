// Package client sends one prompt to an LLM server and measures the reply as it arrives.
//
// It knows no scenario, and it never returns an error for a reply: a request that failed is a fact like any other, with
// a class and a message that a person can act on.
//
// The instant of a byte is the kernel's stamp of the packet that brought it, so that no figure contains the time that a
// reader waits to be woken. Where the kernel gives no stamp (other systems than Linux, pipes) it is taken when the read
// that delivered the byte returns, below HTTP and TLS. [event.Wire] says which. The instant of sending is the first
// write of the request to a connection that is ready; making the connection is a separate figure and part of no other.
//
// In come a server's address and prompts. Out goes one [event.Exchange] per prompt.
package client

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"homellm/engine/client/transport"
	"homellm/engine/event"
	"homellm/engine/wire"
)

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	cfg       Config
	dialect   *dialect
	url       *url.URL
	start     time.Time // all stamps count from here
	transport *transport.Transport
	buffers   sync.Pool
}

// New returns a client for the server at cfg.BaseURL. It connects to nothing yet.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("base URL: %w", err)
	case base.Scheme != "http" && base.Scheme != "https", base.Hostname() == "":
		return nil, fmt.Errorf("base URL %q: want http://HOST[:PORT][/PATH] or https://", base.Redacted())
	case base.User != nil:
		return nil, fmt.Errorf("base URL %q: a key belongs in the server's api_key, not into its URL", base.Redacted())
	case base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("base URL %q: a query or fragment cannot be part of it", base.Redacted())
	}
	api := cmp.Or(cfg.API, wire.Chat)
	at := slices.IndexFunc(dialects, func(d dialect) bool { return d.Name == api })
	if at < 0 {
		var names []string
		for _, d := range dialects {
			names = append(names, string(d.Name))
		}
		return nil, fmt.Errorf("API %q is not known: want one of %s", api, strings.Join(names, ", "))
	}
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, defaultMaxBytes)
	c := &Client{cfg: cfg, dialect: &dialects[at], start: time.Now()}
	c.url = c.dialect.url(base)
	c.transport = transport.New(base, transport.Config{
		Start: c.start, Connect: cfg.Connect, TLS: cfg.TLS, Dial: cfg.Dial,
	})
	c.buffers.New = func() any { return new([bufferSize]byte) }
	return c, nil
}

// CloseIdle closes the connections that no request uses.
func (c *Client) CloseIdle() { c.transport.CloseIdle() }

// Warm makes sure that the next request finds a connection, and returns how long it took to make
// one; nil if there was one already. Servers close connections that idle for seconds, and some close them
// after each reply, which without this costs the next turn a new one.
func (c *Client) Warm(ctx context.Context) (*time.Duration, error) {
	took, err := c.transport.Warm(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting ahead of a request: %w", err)
	}
	return took, nil
}

// warmLead is how long before a request is due its connection is checked. A server that closes
// an idle connection within it costs the request a new one, so it is short; a TLS handshake on a
// home network must fit in.
const warmLead = 100 * time.Millisecond

// Do sends p when it is due, at once if that has passed, and returns what came of it. Instants of
// the exchange count from epoch. The request is built and the connection made before it is due.
func (c *Client) Do(ctx context.Context, epoch, due time.Time, p Prompt) event.Exchange {
	if due.IsZero() {
		due = time.Now()
	}
	x := event.Exchange{Due: due.Sub(epoch)}
	req, err := c.dialect.encode(c.url, &c.cfg, p)
	if err != nil {
		x.Done = time.Since(epoch)
		x.Err = &event.Error{Class: "bad_request", Message: err.Error()}
		return x
	}
	if err := c.await(ctx, due); err != nil {
		x.Done = time.Since(epoch)
		x.Err = interrupted(err)
		return x
	}
	newCall(c, &x, epoch, p).run(ctx, req)
	return x
}

// await sleeps until due and sees to a connection shortly before. If it could not be made, that is not reported here:
// the request will find out, and say so.
func (c *Client) await(ctx context.Context, due time.Time) error {
	if time.Until(due) <= 0 {
		return ctx.Err()
	}
	if err := sleep(ctx, time.Until(due)-warmLead); err != nil {
		return err
	}
	warming, cancel := context.WithDeadline(ctx, due)
	_, _ = c.Warm(warming)
	cancel()
	return sleep(ctx, time.Until(due))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// realKey is the length from which a key is searched for in replies. A shorter one is no secret, and may well be a word
// of an answer.
const realKey = 8

// withoutKey takes the key out of what a server said: some repeat the key that they refuse. What stands in one piece is
// taken out where it is written; of a key whose pieces came in several deltas nothing there can tell.
func (c *Client) withoutKey(x *event.Exchange, raw Raw) {
	key := c.cfg.APIKey
	if key == "" {
		return
	}
	if e := x.Err; e != nil {
		e.Message = strings.ReplaceAll(e.Message, key, "[key]")
		e.Body = strings.ReplaceAll(e.Body, key, "[key]")
	}
	if len(key) >= realKey && strings.Contains(x.Text+"\x00"+x.Reasoning+"\x00"+x.Tools, key) {
		starTexts(raw.Body)
	}
}

// starTexts writes stars over every text that is a value in a body of JSON objects, whatever stands between them.
func starTexts(body []byte) {
	value := false // the next text follows a colon
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case ':':
			value = true
		case ' ':
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' && i+1 < len(body) {
					if value {
						body[i] = '*'
					}
					i++
				}
				if value {
					body[i] = '*'
				}
			}
			value = false
		default:
			value = false
		}
	}
}
