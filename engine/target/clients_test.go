package target_test

import (
	"strings"
	"testing"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/target"
	"homellm/engine/wire"
)

// A client is made once for each API, and one that cannot be made says whose it is.
func TestClients(t *testing.T) {
	c, err := target.NewClients(client.Config{BaseURL: "http://127.0.0.1:1/v1", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	of := func(api wire.API) *client.Client {
		t.Helper()
		one, err := c.For(api)
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	chat, completions := of("chat"), of("completions")
	if of("chat") != chat || of("completions") != completions || chat == completions {
		t.Error("each API has one client")
	}
	if _, err := c.For("telepathy"); err == nil || !strings.HasPrefix(err.Error(), "client for http://127.0.0.1:1/v1: ") {
		t.Errorf("error %v", err)
	}
	if _, err := target.NewClients(client.Config{BaseURL: "http://127.0.0.1:1", API: "telepathy"}); err == nil {
		t.Error("a client for an API that is none")
	}
}

// The address of a server gets the path of its profile behind it, with one slash between them.
func TestClientConfig(t *testing.T) {
	profile := &dsl.Server{Address: dsl.Address{BasePath: "/v1"}, Wire: dsl.Wire{API: "completions"},
		Capabilities: dsl.Capabilities{Streaming: true}}
	profile.HTTP.Connect, profile.HTTP.FirstToken, profile.HTTP.Idle = time.Second, 2*time.Second, 3*time.Second
	for _, address := range []string{"http://host:80", "http://host:80/"} {
		c := target.ClientConfig(profile, address, "key", "m")
		if c.BaseURL != "http://host:80/v1" || c.APIKey != "key" || c.Model != "m" || c.API != "completions" || !c.Stream ||
			c.Connect != time.Second || c.FirstToken != 2*time.Second || c.Idle != 3*time.Second {
			t.Errorf("%s: %+v", address, c)
		}
	}
}
