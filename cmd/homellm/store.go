package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"homellm/dsl"
	"homellm/dsl/syntax"
	"homellm/engine/exit"
	"homellm/engine/host"
	"homellm/engine/hub"
	"homellm/engine/model"
	"homellm/engine/secret"
)

// store is the models that are known, and those that are here.
type store struct {
	process
	lib   *dsl.Library
	cache hub.Cache
	hub   hub.Hub
}

func openStore(p process, f libraryFlags) (*store, error) {
	lib, err := f.load(p)
	if err != nil {
		return nil, err
	}
	home := p.home()
	s := &store{
		process: p,
		lib:     lib,
		cache:   hub.CacheFromEnv(p.getenv, home),
		hub:     hub.FromEnv(p.getenv, home, os.ReadFile),
	}
	s.hub.Agent = "homellm/" + version()
	if err := secret.Add(s.hub.Token); err != nil {
		return nil, exit.Errorf(exit.Environment, "take the token that the hub shows, or unset HF_TOKEN",
			"the hub's token: %w", err)
	}
	return s, nil
}

// offer is a source of a model.
type offer struct {
	model  *dsl.Model
	source *dsl.ModelSource
}

func (o offer) String() string { return o.model.Name + " (" + o.source.Name + ")" }

func (s *store) offers() []offer {
	var out []offer
	for _, m := range s.lib.Models {
		for _, source := range m.Sources {
			out = append(out, offer{m, source})
		}
	}
	return out
}

// offer finds what a name and a source mean. A name with a slash that is in no models file is a
// repository of the hub.
func (s *store) offer(name, source string) (offer, error) {
	m := s.lib.Model(name)
	if m == nil && strings.Contains(name, "/") {
		return offer{
			&dsl.Model{Name: name},
			&dsl.ModelSource{
				Name:   cmp.Or(source, "hf"),
				Repo:   name,
				Format: map[bool]string{true: "gguf", false: ""}[source == "gguf"],
			},
		}, nil
	}
	var names []string
	for _, k := range s.lib.Models {
		names = append(names, k.Name)
	}
	if m == nil {
		return offer{}, exit.Errorf(
			exit.Usage,
			cmp.Or(
				syntax.Suggest(name, names),
				"homellm models list shows those that are known; a repository of the hub is named organisation/model",
			),
			"there is no model %q",
			name,
		)
	}
	if len(m.Sources) == 0 {
		return offer{}, exit.Errorf(
			exit.Invalid,
			"add `sources:` to it in a models file",
			"model %s does not say where it can be downloaded from",
			m.Name,
		)
	}
	var sources []string
	for _, one := range m.Sources {
		sources = append(sources, one.Name)
		if source == "" || one.Name == source {
			return offer{m, one}, nil
		}
	}
	return offer{}, exit.Errorf(
		exit.Usage,
		"its sources: "+strings.Join(sources, ", "),
		"model %s has no source %q",
		m.Name,
		source,
	)
}

// spec is what a pull of an offer asks for.
func (o offer) spec() hub.PullSpec {
	spec := hub.PullSpec{Repo: o.source.Repo, Revision: o.source.Revision, Format: o.source.Format, Quant: o.source.Quant}
	for _, f := range o.source.Files {
		spec.Files = append(spec.Files, hub.File{Path: f.Path, Hash: f.SHA256, Bytes: f.Bytes})
	}
	return spec
}

// commit is the snapshot that a source means; "" if that cannot be known yet.
func (s *store) commit(o offer) string { return s.cache.Commit(o.source.Repo, o.source.Revision) }

// weights is the size of an offer's files as the models file gives it; 0 if it does not.
func (o offer) weights() float64 {
	var sum float64
	for _, f := range o.source.Files {
		if f.Bytes == 0 {
			return 0
		}
		sum += float64(f.Bytes)
	}
	return sum
}

// fit says whether an offer with a context of so many tokens, or all that the model takes, fits a
// card.
func (o offer) fit(context int, vram float64) (model.Fit, error) {
	most := max(o.model.Context.Trained, o.model.Context.Extended)
	if o.model.Architecture == nil {
		return model.Fit{}, errors.New("its architecture is not in the models file")
	}
	q, err := model.QuantOf(cmp.Or(o.source.Quant, "bf16"))
	if err != nil {
		return model.Fit{}, err
	}
	a := o.model.Architecture
	f, err := model.Fits(
		model.Architecture{
			Layers:     a.Layers,
			KVHeads:    a.KVHeads,
			HeadDim:    a.HeadDim,
			Hidden:     a.Hidden,
			Vocab:      a.Vocab,
			Parameters: a.Parameters,
		},
		q,
		min(context, most),
		vram,
		model.FitOptions{WeightBytes: o.weights()},
	)
	f.MaxContext = min(f.MaxContext, most)
	return f, err
}

// card is the memory of the machine's largest GPU in bytes, and its name; 0 if there is none.
func card(ctx context.Context) (bytes float64, name string) {
	machine := host.OpenTelemetry(ctx, host.Options{})
	defer machine.Close()
	for _, g := range machine.GPUs() {
		if b := g.MemoryMiB * (1 << 20); b > bytes {
			bytes, name = b, g.Name
		}
	}
	return bytes, name
}

// usualContext is what a fit is worked out for: enough for the longest shipped scenario.
const usualContext = 16384

func gigabytes(b float64) string {
	switch {
	case b >= 1e9:
		return fmt.Sprintf("%.1f GB", b/1e9)
	case b >= 1e6:
		return fmt.Sprintf("%.0f MB", b/1e6)
	}
	return fmt.Sprintf("%.0f kB", b/1e3)
}
