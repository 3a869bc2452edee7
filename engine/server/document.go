package server

import (
	"cmp"

	"homellm/engine/engines"
)

// Document is what a probe learnt about an address, in the form of documents. A key that is null has its reason in
// Unknown; a key that is absent does not apply.
type Document struct {
	URL           string            `json:"url"`
	State         State             `json:"state"`
	Detail        string            `json:"detail,omitempty"`
	Engine        *string           `json:"engine"`
	Version       *string           `json:"version"`
	Simulated     bool              `json:"simulated"`
	Simulation    string            `json:"simulation,omitempty"`
	ContextTokens *int              `json:"context_tokens"`
	BlockTokens   *int              `json:"block_tokens"`
	Slots         *int              `json:"slots"`
	Models        []ModelDocument   `json:"models"`
	APIs          []Ability         `json:"apis"`
	Capabilities  []Ability         `json:"capabilities"`
	Notes         []string          `json:"notes"`
	Unknown       map[string]string `json:"unknown"`
}

// ModelDocument is a served model.
type ModelDocument struct {
	ID            string            `json:"id"`
	ContextTokens *int              `json:"context_tokens"`
	TrainedTokens *int              `json:"trained_tokens"`
	Loaded        *bool             `json:"loaded"`
	GPUShare      *float64          `json:"gpu_share"`
	Unknown       map[string]string `json:"unknown"`
}

// Ability is something that a server can or cannot do. OK is null if the self-test of a run decides.
type Ability struct {
	Name    string            `json:"name"`
	OK      *bool             `json:"ok"`
	How     string            `json:"how"`
	Unknown map[string]string `json:"unknown"`
}

// silent is the reason for a fact that a server which answers does not report.
const silent = "the server does not say"

// Document returns what was found in the form of documents.
func (f Found) Document() Document {
	d := Document{
		URL: f.URL, State: f.State, Detail: f.Detail, Simulated: f.Simulated, Simulation: f.Simulation,
		ContextTokens: f.ContextTokens, BlockTokens: f.BlockTokens, Slots: f.Slots,
		Models: []ModelDocument{}, APIs: Abilities(f.APIs), Capabilities: Abilities(f.Capabilities),
		Notes: append([]string{}, f.Notes...), Unknown: map[string]string{},
	}
	why := silent
	if f.State != Ready {
		why = cmp.Or(f.Detail, string(f.State))
	}
	d.Engine = OrWhy(d.Unknown, "engine", f.Engine, cmp.Or(f.Detail, "no engine of the table was recognised"))
	d.Version = OrWhy(d.Unknown, "version", f.Version, why)
	missing(d.Unknown, "context_tokens", d.ContextTokens, why)
	if f.ContextTokens == nil && len(f.Models) > 1 {
		d.Unknown["context_tokens"] = "its models do not share one"
	}
	missing(d.Unknown, "block_tokens", d.BlockTokens, why)
	missing(d.Unknown, "slots", d.Slots, why)
	for _, m := range f.Models {
		one := ModelDocument{ID: m.ID, TrainedTokens: m.TrainedTokens, Loaded: m.Loaded, GPUShare: m.GPUShare,
			Unknown: map[string]string{}}
		if n, ok := f.Default(m.ID); ok {
			one.ContextTokens = &n
		}
		missing(one.Unknown, "context_tokens", one.ContextTokens, silent)
		missing(one.Unknown, "trained_tokens", one.TrainedTokens, silent)
		missing(one.Unknown, "loaded", one.Loaded, silent)
		missing(one.Unknown, "gpu_share", one.GPUShare, silent)
		d.Models = append(d.Models, one)
	}
	return d
}

// Abilities returns capabilities in the form of documents.
func Abilities(known []engines.Capability) []Ability {
	out := []Ability{}
	for _, c := range known {
		out = append(out, Ability{Name: c.Name, OK: new(c.OK), How: c.How, Unknown: map[string]string{}})
	}
	return out
}

// OrWhy returns a value for a document, or nil after noting the reason if the value is zero, which means unknown.
func OrWhy[T comparable](unknown map[string]string, key string, v T, why string) *T {
	var zero T
	if v == zero {
		unknown[key] = why
		return nil
	}
	return &v
}

// missing gives the reason for a value that is not known.
func missing[T any](unknown map[string]string, key string, v *T, why string) {
	if v == nil {
		unknown[key] = why
	}
}
