package engines

import (
	"net/http"
	"slices"
	"strings"
)

// listed is the shape of /v1/models, with what the engines add to it.
type listed struct {
	Data []struct {
		ID          string   `json:"id"`
		Aliases     []string `json:"aliases"` // llama.cpp
		Root        string   `json:"root"`    // vLLM, SGLang
		OwnedBy     string   `json:"owned_by"`
		MaxModelLen *int     `json:"max_model_len"` // vLLM, SGLang
		Meta        *struct {
			Trained *int `json:"n_ctx_train"`
		} `json:"meta"` // llama.cpp
	} `json:"data"`
}

// models reads /v1/models into f and reports whether it was such a list.
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

// locked notes that the list of models wants a key.
func locked(seen Responses, f *Facts) bool {
	status := seen["/v1/models"].Status
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return false
	}
	f.Locked = status
	return true
}

// version reads the version of a {"version": "…"} reply.
func version(r Response) (string, bool) {
	var body struct {
		Version string `json:"version"`
	}
	return body.Version, r.into(&body) && body.Version != ""
}
