package engines

import (
	"context"
	"net/http"
	"slices"

	"homellm/engine/wire"
)

var lmStudio = Engine{
	Name: "lmstudio", Title: "LM Studio", Ports: []int{1234},
	API: API{
		Dialect:  wire.LMStudio,
		Sign:     func(seen Responses) bool { return ownedBy(seen, lmOwner) },
		Paths:    []string{"/api/v0/models"},
		Mute:     true,
		Identify: identifyLMStudio, Details: detailsLMStudio,
	},
	APIs: newerAPIs(Served{Since: "0.3.29", Source: "lmstudio.ai/docs/developer/openai-compat"},
		Served{Since: "0.4.1", Source: "lmstudio.ai/docs/developer/anthropic-compat"}),
	Keys: onOpenAI(withModel(Words{"top_k": "top_k", "repeat_penalty": "repeat_penalty"})),
	Capabilities: []Capability{
		usageInReply,
		{"cache_report", false, "LM Studio does not report cached tokens"},
		noReset, saltInMessage,
		{"tokenize", false, "LM Studio has no tokenise endpoint; prompt ceilings are estimates"},
		noMetrics,
		{"server_timings", false, "the stats of a reply on its own APIs: write base_path: /api/v0, or api: lmstudio, in " +
			"the profile"},
		noIgnoreEOS,
	},
	Prompt: Prompt{Text: TextRule{Stops: manyStops}, OtherTemplates: true, SystemFallback: "merge"},
	Launch: Launch{
		Programs: []Program{{Command: "lms", Install: "install LM Studio and run: lms bootstrap"}},
		Memory:   cardMemory(""),
	},
	Docs: []Row{{Tokens: "reply", Cached: "–", Times: "reply on its own APIs (`base_path: /api/v0`, `api: lmstudio`)",
		Reusable: "estimated", Reset: "–", Salt: "first message"}},
}

// lmOwner is the owner of the models in its list.
const lmOwner = "organization_owner"

func identifyLMStudio(seen Responses, f *Facts) bool {
	var list struct {
		Data []struct {
			ID      string `json:"id"`
			State   string `json:"state"`
			Trained *int   `json:"max_context_length"`
			Context *int   `json:"loaded_context_length"`
		} `json:"data"`
	}
	// LM Studio answers 200 with an error text on unknown paths, so only the shape counts.
	own := seen["/api/v0/models"].into(&list) && len(list.Data) > 0 && list.Data[0].State != ""
	if !own && !ownedBy(seen, lmOwner) {
		return false
	}
	if !own {
		models(seen, f)
		return true
	}
	for _, m := range list.Data {
		loaded := m.State == "loaded"
		f.Models = append(
			f.Models,
			Model{ID: m.ID, OwnedBy: lmOwner, TrainedTokens: m.Trained, ContextTokens: m.Context, Loaded: &loaded},
		)
	}
	if !slices.ContainsFunc(f.Models, func(m Model) bool { return *m.Loaded }) {
		f.note("no model is loaded: the first request would load one, and its time would count as TTFT; run: lms load")
	}
	return true
}

func detailsLMStudio(ctx context.Context, s Server, f *Facts) {
	var list struct {
		Models []struct {
			Key       string `json:"key"`
			Instances []struct {
				ID     string `json:"id"`
				Config struct {
					Context *int `json:"context_length"`
				} `json:"config"`
			} `json:"loaded_instances"`
		} `json:"models"`
	}
	if !s.Call(ctx, http.MethodGet, "/api/v1/models", nil, ProbeLimit).into(&list) {
		return
	}
	for _, m := range list.Models {
		for _, instance := range m.Instances {
			for i := range f.Models {
				if f.Models[i].ID == instance.ID || f.Models[i].ID == m.Key {
					f.Models[i].ContextTokens = instance.Config.Context
				}
			}
		}
	}
}
