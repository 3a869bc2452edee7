package rendering

import (
	"cmp"
	"context"
	"net/http"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/exit"
	"homellm/engine/prompt"
	"homellm/engine/server"
	"homellm/engine/target"
)

// Address is the address of a running server, and the key that it requires; empty: none.
type Address struct {
	URL, Key string
	From     dsl.Secret // where the key comes from
}

// Served is a template beside the server whose model it is of.
type Served struct {
	Choice
	Found server.Found
	Name  string // the server's name of the model

	http   *http.Client
	side   *server.Side   // tokenises; nil: the server cannot
	client *client.Client // asks for the count of tokens where side is nil
}

// Close lets go of the connections.
func (s *Served) Close() {
	s.http.CloseIdleConnections()
	if s.client != nil {
		s.client.CloseIdle()
	}
}

// Reach finds out what a server has, and the template for it: that of the named model, or, without a name, of what the
// server lists first. A model that the library does not know is added to it.
func Reach(ctx context.Context, all *prompt.Templates, lib *dsl.Library, name string, at Address) (*Served, error) {
	if name != "" { // before anything is sent
		if _, err := Choose(all, lib, name); err != nil {
			return nil, err
		}
	}
	s := &Served{http: server.NewHTTPClient(at.Key)}
	err := s.find(ctx, at)
	if err == nil {
		err = s.choose(all, lib, name)
	}
	if err == nil {
		err = s.connect(lib, at.Key)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// find asks what the server is.
func (s *Served) find(ctx context.Context, at Address) (err error) {
	s.Found, err = server.Probe(ctx, at.URL, s.http)
	switch {
	case err != nil:
		return exit.Errorf(exit.Usage, "write it like http://127.0.0.1:8000/v1", "--url: %w", err)
	case s.Found.State != server.Ready:
		hint := "homellm doctor --url " + s.Found.URL + " says more"
		if s.Found.State == server.Locked {
			profile := &dsl.Server{}
			profile.APIKey = at.From
			hint = target.KeyHint(profile)
		}
		return exit.Errorf(exit.Environment, hint, "no server is ready at %s: %s", s.Found.URL, s.Found.Detail)
	}
	return nil
}

// choose finds the template, and the server's name of its model.
func (s *Served) choose(all *prompt.Templates, lib *dsl.Library, name string) (err error) {
	if len(s.Found.Models) > 0 {
		s.Name = s.Found.Models[0].ID
		lib.Adopt(s.Name)
	}
	if name = cmp.Or(name, s.Name); name == "" {
		return exit.Errorf(exit.Environment, "name the model: homellm template check MODEL --url …",
			"%s lists no model", s.Found.URL)
	}
	if s.Choice, err = Choose(all, lib, name); err != nil || s.Model == nil {
		return err
	}
	for _, one := range s.Found.Models {
		if lib.Recognise(one.ID) == s.Model {
			s.Name = one.ID
		}
	}
	return nil
}

// connect prepares what the server is asked with: its tokeniser, or else requests for a single token.
func (s *Served) connect(lib *dsl.Library, key string) (err error) {
	profile := lib.Server(lib.Attach("check", s.Found.Engine, s.Found.URL))
	if s.Found.Can("tokenize") {
		config := server.Config{BaseURL: s.Found.URL, Engine: s.Found.Engine, Model: s.Name, Client: s.http}
		if s.side, err = server.NewSide(config); err == nil {
			return nil
		} // an engine that is not known has no side channels: its usage has to do
	}
	config := target.ClientConfig(profile, s.Found.URL, key, s.Name)
	config.Stream = false // one count is all that is wanted
	if s.client, err = client.New(config); err != nil {
		return exit.Errorf(exit.Environment, "", "%w", err)
	}
	return nil
}
