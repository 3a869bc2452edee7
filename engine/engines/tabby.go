package engines

import "context"

var tabby = Engine{
	Name: "tabby", Title: "TabbyAPI", Ports: []int{5000},
	API: API{
		Sign:     func(seen Responses) bool { return ownedBy(seen, "tabbyAPI") },
		Paths:    []string{"/v1/model"},
		Mute:     true,
		Identify: identifyTabby, Tokenize: tokenizeTabby,
	},
	APIs: newerAPIs(unserved("TabbyAPI", "its source in August 2026"), unserved("TabbyAPI", "its source in August 2026")),
	Keys: onOpenAI(Words{"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"}),
	Capabilities: []Capability{
		usageInReply,
		{"cache_report", false, "TabbyAPI does not report cached tokens"},
		noReset, saltInMessage,
		{"tokenize", true, "/v1/token/encode"},
		noMetrics,
		{"server_timings", true, "times in the usage block; prompt speed there counts cached tokens"},
		banEOS,
	},
	Prompt: Prompt{Text: TextRule{BOS: true, Extra: map[string]any{"add_bos_token": false}, Stops: manyStops}},
	Launch: Launch{Memory: cardMemory("")},
	Docs: []Row{{Tokens: "reply", Cached: "–", Times: "timings",
		Reusable: "exact", Reset: "–", Salt: "first message"}},
}

func identifyTabby(seen Responses, f *Facts) bool {
	var loaded struct {
		ID         string `json:"id"`
		Parameters *struct {
			MaxSeqLen    *int `json:"max_seq_len"`
			MaxBatchSize *int `json:"max_batch_size"`
		} `json:"parameters"`
	}
	current := seen["/v1/model"].into(&loaded) && loaded.Parameters != nil
	if !current && !ownedBy(seen, "tabbyAPI") {
		return false
	}
	models(seen, f)
	yes, no := true, false
	for i := range f.Models {
		f.Models[i].Loaded = &no
		if current && f.Models[i].ID == loaded.ID {
			f.Models[i].Loaded, f.Models[i].ContextTokens = &yes, loaded.Parameters.MaxSeqLen
		}
	}
	if !current {
		f.note("no model is loaded")
		return true
	}
	if !f.hasModel(loaded.ID) {
		f.Models = append(f.Models,
			Model{ID: loaded.ID, OwnedBy: "tabbyAPI", Loaded: &yes, ContextTokens: loaded.Parameters.MaxSeqLen})
	}
	f.Slots = loaded.Parameters.MaxBatchSize
	block := 256 // ExLlama's cache pages
	f.BlockTokens = &block
	return true
}

func tokenizeTabby(ctx context.Context, s Server, t Target, in Input) ([]int, error) {
	body := map[string]any{"text": in.Text, "add_bos_token": false}
	if in.Messages != nil {
		body = map[string]any{"text": in.Messages}
	}
	r, err := post(ctx, s, t.tokenizePath("/v1/token/encode"), body)
	if err != nil {
		return nil, err
	}
	return idsOf(r, in)
}
