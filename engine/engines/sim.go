package engines

import "homellm/engine/wire"

// simulator is homellm's own server. It imitates vLLM in everything but a header.
var simulator = Engine{
	Name: "sim", Title: "homellm's simulator", Role: Simulator,
	API: API{
		Sign: signSim, Paths: []string{"/version", "/health"}, Identify: identifySim,
		Details: detailsVLLM, Tokenize: tokenizeVLLM, Reset: resetVLLM, ExplainReset: devMode,
	},
	APIs: map[wire.API]Served{
		wire.Responses: {Source: "docs/servers.md"}, wire.Messages: {Source: "docs/servers.md", Counts: true},
		wire.Ollama: {Never: "the simulator does not have it", Source: "docs/servers.md"},
	},
	Keys:         asVLLM(),
	Capabilities: vllmCapabilities,
	Metrics:      vllmMetrics,
	Prompt: Prompt{
		Text:     TextRule{BOS: true, Extra: map[string]any{"add_special_tokens": false}},
		Thoughts: wire.FieldReasoning,
	},
	Launch: Launch{Memory: cardMemory("")},
}

// signSim recognises the simulator by that header, which is in all its replies.
func signSim(seen Responses) bool { return seen.serverHeader("homellm-sim") }

func identifySim(seen Responses, f *Facts) bool {
	var body struct {
		Version    string `json:"version"`
		Simulation string `json:"simulation"`
	}
	if !signSim(seen) {
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
