package client

import (
	"context"
	"net"
	"time"

	"homellm/engine/client/transport"
)

// Plant makes a client wrong on purpose. Tests use it to see that the conformance table would
// notice: a table that cannot turn red proves nothing.
func Plant(c *Client, name string) { plants[name](c) }

// plants are mistakes that real clients make.
var plants = map[string]func(*Client){
	// The first event counts as the first token, though it only says who speaks.
	"role is a token": func(c *Client) {
		planted(c, func(k *chunk) {
			if k.choices && k.empty() && k.finish == nil {
				k.answer = append(k.answer, ' ')
			}
		})
	},
	"reasoning is not a token": func(c *Client) { planted(c, func(k *chunk) { k.reasoning = k.reasoning[:0] }) },
	"usage counts only without choices": func(c *Client) {
		planted(c, func(k *chunk) {
			if k.choices {
				k.usage = noUsage
			}
		})
	},
	"the running count is ignored": func(c *Client) {
		planted(c, func(k *chunk) {
			if !k.empty() {
				k.usage = noUsage
			}
		})
	},
	"error events are skipped": func(c *Client) { planted(c, func(k *chunk) { k.hasFault = false }) },
	"a missing cache count means zero": func(c *Client) {
		planted(c,
			func(k *chunk) { k.usage.cached = max(k.usage.cached, 0) })
	},
	"it is patient": func(c *Client) { c.cfg.Idle *= 10 },
	"stamps are taken late": func(c *Client) {
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := c.cfg.Dial(ctx, network, addr)
			return late{nc, time.Millisecond}, err
		}
		c.transport = transport.New(c.url, transport.Config{Start: c.start, Dial: dial})
	},
}

// late is a connection that takes its time to hand over what arrived.
type late struct {
	net.Conn
	by time.Duration
}

func (l late) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if err == nil {
		time.Sleep(l.by)
	}
	return n, err
}

// planted puts a mistake behind the client's decoder.
func planted(c *Client, mistake func(*chunk)) {
	d := *c.dialect
	decode := d.decode
	d.decode = func(data []byte, k *chunk) error {
		err := decode(data, k)
		mistake(k)
		k.same.into = nil
		return err
	}
	c.dialect = &d
}
