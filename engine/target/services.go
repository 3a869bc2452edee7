package target

import (
	"fmt"
	"net/http"

	"homellm/dsl"
	"homellm/engine/retrieve"
	"homellm/engine/server"
)

// services says who embeds and who reranks what the cell's scenario retrieves. Address, model and key are those of the
// cell's own server.
func (o *Opener) services(t *Target, cell *dsl.Cell, address, model, key string) (err error) {
	if cell.Scenario.Retrieves() {
		if t.Embedder, err = o.service(t, cell, cell.Server.Embedder(), "/embeddings", address, model, key); err != nil {
			return err
		}
	}
	if cell.Scenario.Reranks() {
		t.Reranker, err = o.service(t, cell, cell.Server.Reranker(), "/rerank", address, model, key)
	}
	return err
}

// service makes the client of an endpoint. What it opens is closed with the target.
func (o *Opener) service(t *Target, cell *dsl.Cell, of *dsl.Service, path, address, model, key string,
) (*retrieve.Service, error) {
	if of == nil {
		return nil, cell.Server.Errorf("it does not say who serves %s for retrieval", path)
	}
	profile := cell.Server
	if other := of.Profile(); other != nil {
		own, err := o.Key(other.APIKey)
		if err != nil {
			return nil, fmt.Errorf("reading the key of server %s: %w", other.Name, err)
		}
		profile, address, model, key = other, other.Attach, "", own
	}
	if of.Model != "" {
		model = of.Model
	}
	client := server.NewHTTPClient(key)
	t.onClose(client)
	return &retrieve.Service{URL: ClientConfig(profile, address, key, model).BaseURL + path, Model: model, Client: client,
		Limit: profile.HTTP.Whole()}, nil
}

// onClose closes the connections of a client when the target is closed.
func (t *Target) onClose(client *http.Client) {
	before := t.Close
	t.Close = func() {
		client.CloseIdleConnections()
		if before != nil {
			before()
		}
	}
}
