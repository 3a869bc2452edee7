// Package client sends one prompt to an LLM server and measures the reply as it arrives.
//
// It knows no scenario. It never returns an error for a reply: a failed request is a fact like any other, with an
// error class and a message that says what to do.
//
// The instant of a byte is the kernel's stamp of the packet that carried it, so that no figure contains the time
// until the reader wakes up. Where the kernel gives no stamp (systems other than Linux, pipes), the stamp is taken
// when the read that delivered the byte returns, below HTTP and TLS. [event.Wire] records which of the two was used.
// The instant of sending is the first write of the request to a connection that is ready; connecting is a separate
// figure and part of no other.
//
// The input is a server's address and prompts, the output one [event.Exchange] per prompt.
package client

import (
	"bytes"
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

// New returns a client for the server at cfg.BaseURL. It makes no connection yet.
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

// Warm makes a connection for the next request, unless one is ready, and returns how long that took; nil if one was
// ready. Servers close connections that are idle for seconds, and some close them after each reply; without Warm the
// next turn would pay for a new one.
func (c *Client) Warm(ctx context.Context) (*time.Duration, error) {
	took, err := c.transport.Warm(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting ahead of a request: %w", err)
	}
	return took, nil
}

// warmLead is how long before a request is due its connection is checked. If a server closes an idle connection
// within this time, the request pays for a new one, so it is short; a TLS handshake on a home network must fit in.
const warmLead = 100 * time.Millisecond

// Do sends p when it is due, or at once if that time has passed, and returns the exchange. The exchange's instants
// count from epoch. The request is built and the connection made before the request is due.
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

// await sleeps until due and makes a connection shortly before. A failure to connect is not reported here: the
// request meets it again and reports it.
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

// minSearchedKey is the length from which a key is searched for in replies. A shorter key may well be an ordinary
// word of an answer.
const minSearchedKey = 8

// withoutKey removes the key from what a server sent: some servers repeat a key that they reject. In a raw body the key
// may be split over several deltas, so if a reply's text holds it, every string of the body is overwritten.
func (c *Client) withoutKey(x *event.Exchange, raw *Raw) {
	key := c.cfg.APIKey
	if key == "" {
		return
	}
	if e := x.Err; e != nil {
		e.Message = strings.ReplaceAll(e.Message, key, "[key]")
		e.Body = strings.ReplaceAll(e.Body, key, "[key]")
	}
	in := func(text string) bool { return strings.Contains(text, key) }
	if len(key) >= minSearchedKey && slices.ContainsFunc([]string{x.Text, x.Reasoning, x.Tools}, in) {
		raw.Body = [][]byte{bytes.Join(raw.Body, nil)}
		starTexts(raw.Body[0])
	}
}

// starTexts writes stars over every string value in a body of JSON objects, whatever is between the objects.
func starTexts(body []byte) {
	value := false // a string after a colon is a value
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
