// Package catalog holds the models that are known, and those on this machine.
//
// The input is the models files and the folder of downloads; the output is offers: what can be downloaded, what of it
// is on this machine, what fits a card, and which one suits it. It shows nothing; engine/hub downloads files.
package catalog

import (
	"cmp"
	"os"
	"strings"

	"homellm/dsl"
	"homellm/engine/exit"
	"homellm/engine/hub"
	"homellm/engine/secret"
)

// Catalog is the models of a library, and their downloads.
type Catalog struct {
	Library *dsl.Library
	Cache   hub.Cache

	hub    hub.Hub
	getenv func(string) string
}

// Open opens the downloads of a user. Agent identifies homellm to the hub.
func Open(lib *dsl.Library, getenv func(string) string, home, agent string) (*Catalog, error) {
	c := &Catalog{Library: lib, Cache: hub.CacheFromEnv(getenv, home), hub: hub.FromEnv(getenv, home, os.ReadFile),
		getenv: getenv}
	c.hub.Agent = agent
	if err := secret.Add(c.hub.Token); err != nil {
		return nil, exit.Errorf(exit.Environment, "take the token that the hub shows, or unset HF_TOKEN",
			"the hub's token: %w", err)
	}
	return c, nil
}

// Offer is a source of a model.
type Offer struct {
	Model  *dsl.Model
	Source *dsl.ModelSource
}

func (o Offer) String() string { return o.Model.Name + " (" + o.Source.Name + ")" }

// Offers lists every source of every model.
func (c *Catalog) Offers() []Offer {
	var out []Offer
	for _, m := range c.Library.Models {
		for _, source := range m.Sources {
			if source.Path == "" {
				out = append(out, Offer{m, source})
			}
		}
	}
	return out
}

// Siblings lists every source of an offer's model.
func (o Offer) Siblings() []Offer {
	if len(o.Model.Sources) == 0 {
		return []Offer{o}
	}
	var out []Offer
	for _, source := range o.Model.Sources {
		if source.Path == "" {
			out = append(out, Offer{o.Model, source})
		}
	}
	return out
}

// Find finds the offer of a name and a source. A name with a slash that is in no models file is a repository of the
// hub.
func (c *Catalog) Find(name, source string) (Offer, error) {
	m := c.Library.Model(name)
	if m == nil && strings.Contains(name, "/") {
		return Offer{
			&dsl.Model{Name: name},
			&dsl.ModelSource{
				Name:   cmp.Or(source, "hf"),
				Repo:   name,
				Format: map[bool]string{true: "gguf", false: ""}[source == "gguf"],
			},
		}, nil
	}
	if m == nil {
		return Offer{}, exit.Errorf(
			exit.Usage,
			cmp.Or(
				c.Library.SuggestModel(name),
				"homellm models list shows those that are known; a repository of the hub is named organisation/model",
			),
			"there is no model %q",
			name,
		)
	}
	if len(m.Sources) == 0 {
		return Offer{}, exit.Errorf(
			exit.Invalid,
			"add `sources:` to it in a models file",
			"model %s does not say where it can be downloaded from",
			m.Name,
		)
	}
	var sources []string
	for _, one := range m.Sources {
		if one.Path != "" {
			continue // it is a file on this machine
		}
		sources = append(sources, one.Name)
		if source == "" || one.Name == source {
			return Offer{m, one}, nil
		}
	}
	if len(sources) == 0 {
		return Offer{}, exit.Errorf(exit.Usage, "", "model %s lies on this machine: there is nothing to download", m.Name)
	}
	return Offer{}, exit.Errorf(
		exit.Usage,
		"its sources: "+strings.Join(sources, ", "),
		"model %s has no source %q",
		m.Name,
		source,
	)
}

// spec returns what the models file says about an offer.
func (o Offer) spec() spec {
	s := spec{repo: o.Source.Repo, revision: o.Source.Revision, format: o.Source.Format, quant: o.Source.Quant}
	for _, f := range o.Source.Files {
		s.files = append(s.files, hub.File{Path: f.Path, Hash: f.SHA256, Bytes: f.Bytes})
	}
	return s
}

// Commit is the snapshot of a source; "" if that cannot be known yet.
func (c *Catalog) Commit(o Offer) string { return c.Cache.Commit(o.Source.Repo, o.Source.Revision) }
