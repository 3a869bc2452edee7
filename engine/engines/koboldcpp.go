package engines

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"homellm/engine/wire"
)

var koboldCPP = Engine{
	Name: "koboldcpp", Title: "KoboldCpp", Ports: []int{5001},
	Models: Models{Any: true},
	API: API{
		Sign:     func(seen Responses) bool { return ownedBy(seen, "koboldcpp") },
		Paths:    []string{"/api/extra/version"},
		Mute:     true,
		Identify: identifyKobold, Details: detailsKobold, Tokenize: tokenizeKobold,
	},
	APIs: map[wire.API]Served{wire.Messages: {Since: "1.115", Source: "its release notes"}},
	Keys: onOpenAI(Words{"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "rep_pen"}),
	Capabilities: []Capability{
		{"usage", false, "usage is not guaranteed in streams; tokens are counted with /api/extra/tokencount"},
		{"cache_report", false, "KoboldCpp does not report cached tokens"},
		noReset, saltInMessage,
		{"tokenize", true, "/api/extra/tokencount, for plain text only: the chat format is the server's own adapter"},
		noMetrics,
		{"server_timings", false, "only of the last request, at /api/extra/perf, rounded"},
		banEOS,
	},
	Prompt: Prompt{Text: TextRule{Stops: manyStops}, OtherTemplates: true, SystemFallback: "merge"},
	Launch: Launch{
		Programs: []Program{{Command: "koboldcpp",
			Install: "download it from KoboldCpp's GitHub page and write the full path in the profile's command"}},
		Memory: cardMemory(""),
	},
	Docs: []Row{
		{
			Tokens:   "reply; token counts may be missing",
			Cached:   "–",
			Times:    "–",
			Reusable: "estimated",
			Reset:    "–",
			Salt:     "first message",
		},
	},
}

func identifyKobold(seen Responses, f *Facts) bool {
	var body struct {
		Result  string `json:"result"`
		Version string `json:"version"`
	}
	if !seen["/api/extra/version"].into(&body) || !strings.HasPrefix(strings.ToLower(body.Result), "koboldcpp") {
		return false
	}
	f.Version = body.Version
	models(seen, f)
	return true
}

func detailsKobold(ctx context.Context, s Server, f *Facts) {
	var context struct {
		Value int `json:"value"`
	}
	if s.Call(ctx, http.MethodGet, "/api/extra/true_max_context_length", nil, ProbeLimit).into(&context) &&
		context.Value > 0 {
		for i := range f.Models {
			f.Models[i].ContextTokens = &context.Value
		}
	}
}

func tokenizeKobold(ctx context.Context, s Server, t Target, in Input) ([]int, error) {
	if in.Messages != nil {
		return nil, fmt.Errorf("the chat format is the server's own adapter and cannot be asked for: %w", ErrUnsupported)
	}
	r, err := post(ctx, s, t.tokenizePath("/api/extra/tokencount"), map[string]any{"prompt": in.Text})
	if err != nil {
		return nil, err
	}
	var out struct {
		IDs tokenIDs `json:"ids"`
	}
	if !r.into(&out) || out.IDs == nil {
		return nil, fmt.Errorf("the reply holds no token ids: %s", shorten(string(r.Body), 200))
	}
	return out.IDs, nil
}
