package engines

// simulator is homellm's own server. It plays vLLM in everything but a header.
var simulator = Engine{
	Name: "sim", Title: "homellm's simulator", Role: Simulator,
	API: API{
		Identify: identifySim, Details: detailsVLLM, Tokenize: tokenizeVLLM, Reset: resetVLLM, ExplainReset: devMode,
	},
	Capabilities: vllmCapabilities,
	Metrics:      vllmMetrics,
	Prompt:       Prompt{Text: TextRule{BOS: true, Extra: map[string]any{"add_special_tokens": false}}},
	Launch:       Launch{Memory: cardMemory("")},
}

func identifySim(seen Responses, f *Facts) bool {
	var body struct {
		Version    string `json:"version"`
		Simulation string `json:"simulation"`
	}
	// The simulator plays vLLM in everything but this header, which all its replies carry.
	marked := false
	for _, r := range seen {
		marked = marked || r.Header.Get("Server") == "homellm-sim"
	}
	if !marked {
		return false
	}
	if seen["/version"].into(&body) {
		f.Version, f.Simulation = body.Version, body.Simulation
	}
	if seen["/health"].unavailable() {
		f.Starting = "/health answers HTTP 503"
		return true
	}
	models(seen, f)
	locked(seen, f)
	return true
}
