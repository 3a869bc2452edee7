package target

import (
	"cmp"
	"fmt"
	"strings"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/wire"
)

// ClientConfig is how to reach a profile's server at an address.
func ClientConfig(profile *dsl.Server, address, key, model string) client.Config {
	return client.Config{
		BaseURL: strings.TrimSuffix(address, "/") + profile.BasePath, APIKey: key, Model: model, API: profile.API,
		Stream: profile.Capabilities.Streaming, ReasoningTags: profile.ReasoningTags,
		Connect: profile.HTTP.Connect, FirstToken: profile.HTTP.FirstToken, Idle: profile.HTTP.Idle,
	}
}

// Clients are the clients of one server: one for each API in use.
type Clients struct {
	config client.Config
	by     map[wire.API]*client.Client
}

// NewClients makes the client of the configuration's API. Others are made when they are first needed.
func NewClients(config client.Config) (*Clients, error) {
	config.API = cmp.Or(config.API, wire.Chat)
	c := &Clients{config: config, by: map[wire.API]*client.Client{}}
	_, err := c.For(config.API)
	return c, err
}

// For returns the client for an API.
func (c *Clients) For(api wire.API) (*client.Client, error) {
	if one := c.by[api]; one != nil {
		return one, nil
	}
	config := c.config
	config.API = api
	one, err := client.New(config)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", config.BaseURL, err)
	}
	c.by[api] = one
	return one, nil
}

// Close closes the connections that no request uses.
func (c *Clients) Close() {
	for _, one := range c.by {
		one.CloseIdle()
	}
}
