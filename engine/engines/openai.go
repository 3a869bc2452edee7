package engines

import "encoding/json"

// generic is any server with OpenAI's API that homellm does not recognise.
var generic = Engine{
	Name: "openai", Title: "an OpenAI-compatible server", Role: Generic,
	API:  API{Identify: identifyOpenAI, ExplainReset: devMode},
	Keys: onOpenAI(withModel(Words{})),
	Capabilities: []Capability{
		{"usage", true, "the usage block of a reply, where the server sends one"},
		{"cache_report", false, "unknown engine; the self-test before a run tells whether it reports cached tokens"},
		noReset, saltInMessage,
		{"tokenize", false, "unknown engine; prompt ceilings are estimates"},
		{"metrics", false, "unknown engine: whether other clients use it at the same time cannot be seen"},
		{"server_timings", false, "unknown engine"},
		{"ignore_eos", false, "unknown engine"},
	},
	Prompt: Prompt{Text: TextRule{Stops: 4}}, // servers may refuse more
	Launch: Launch{Memory: cardMemory("")},
	Docs: []Row{{Engine: "any other", Tokens: "reply", Cached: "what the reply says, if it says anything", Times: "–",
		Reusable: "estimated", Reset: "–", Salt: "first message"}},
}

func identifyOpenAI(seen Responses, f *Facts) bool {
	if models(seen, f) {
		return true
	}
	// An API that needs a key for everything: JSON, and a refusal in place of the list.
	r := seen["/v1/models"]
	return r.Err == nil && !r.HTML() && json.Valid(r.Body) && len(r.Body) > 0 && locked(seen, f)
}
