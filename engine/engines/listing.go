package engines

import (
	"net/http"
	"slices"
	"strings"
)

// listed is the shape of /v1/models, with the engines' additions.
type listed struct {
	Data []listedModel `json:"data"`
}

type listedModel struct {
	ID          string   `json:"id"`
	Aliases     []string `json:"aliases"` // llama.cpp
	Root        string   `json:"root"`    // vLLM, SGLang
	OwnedBy     string   `json:"owned_by"`
	MaxModelLen *int     `json:"max_model_len"` // vLLM, SGLang
	Meta        *struct {
		Context *int `json:"n_ctx"`
		Trained *int `json:"n_ctx_train"`
	} `json:"meta"` // llama.cpp
	Status *modelStatus `json:"status"` // on servers that load on demand
}

// modelStatus is the state of a model on a server that loads on demand.
type modelStatus struct {
	Value  string `json:"value"` // unloaded, loading, loaded, sleeping, failed …
	Failed bool   `json:"failed"`
}

func (s modelStatus) loaded() bool { return s.Value == "loaded" || s.Value == "ready" }

func (s modelStatus) unloaded() bool {
	return s.Value == "" || s.Value == "unloaded" || s.Value == "stopped"
}

// state is the state of a model, and whether its last start failed.
func (l listed) state(model string) (state modelStatus, failed bool) {
	for _, m := range l.Data {
		if m.ID == model && m.Status != nil {
			return *m.Status, m.Status.Failed || m.Status.Value == "failed"
		}
	}
	return modelStatus{}, false
}

// models reads /v1/models into f and reports whether it was a list of models.
func models(seen Responses, f *Facts) bool {
	var list listed
	if !seen["/v1/models"].into(&list) || list.Data == nil {
		return false
	}
	for _, m := range list.Data {
		found := Model{ID: m.ID, Aliases: m.Aliases, Root: m.Root, OwnedBy: m.OwnedBy, ContextTokens: m.MaxModelLen}
		if m.Meta != nil {
			found.TrainedTokens = m.Meta.Trained
		}
		if m.Status != nil && m.Status.Value != "" {
			found.Loaded = new(m.Status.loaded())
			if m.Meta != nil && found.ContextTokens == nil {
				found.ContextTokens = m.Meta.Context
			}
		}
		f.Models = append(f.Models, found)
	}
	return true
}

// ownedBy reports whether /v1/models names an owner.
func ownedBy(seen Responses, owners ...string) bool {
	var list listed
	return seen["/v1/models"].into(&list) && len(list.Data) > 0 &&
		slices.ContainsFunc(owners, func(o string) bool { return strings.EqualFold(list.Data[0].OwnedBy, o) })
}

// locked notes that the list of models requires a key.
func locked(seen Responses, f *Facts) bool {
	status := seen["/v1/models"].Status
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return false
	}
	f.Locked = "/v1/models"
	return true
}

// version reads the version of a {"version": "…"} reply.
func version(r Response) (string, bool) {
	var body struct {
		Version string `json:"version"`
	}
	return body.Version, r.into(&body) && body.Version != ""
}
