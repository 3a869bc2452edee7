package engines

import (
	"bytes"
	"net/http"
	"strings"
)

// liteLLM forwards requests to other servers, some of which may cost money: usage, cached tokens and text come
// through unchanged, but a server's own times do not.
var liteLLM = Engine{
	Name: "litellm", Title: "LiteLLM", Ports: []int{4000},
	Models: Models{OnDemand: true},
	API:    API{Sign: signLiteLLM, Identify: identifyLiteLLM},
	APIs: newerAPIs(Served{Source: "docs.litellm.ai/docs/response_api"},
		Served{Source: "docs.litellm.ai/docs/anthropic_unified", Counts: true}),
	Keys: onOpenAI(withModel(Words{})),
	Capabilities: []Capability{
		{"usage", true, "the usage block of every reply, as the server behind it sends it"},
		{"cache_report", false, "of the server behind it; the self-test before a run tells whether it reports cached tokens"},
		noReset, saltInMessage,
		{"tokenize", false, "LiteLLM does not say how the server behind it counts; prompt ceilings are estimates"},
		{"metrics", false, "those of the server behind it are not passed on: whether other clients use it cannot be seen"},
		{"server_timings", false, "LiteLLM drops them from replies that are streamed"},
		{"ignore_eos", false, "whether the server behind it supports it is not known"},
	},
	Prompt: Prompt{Text: TextRule{Stops: 4}},
	Launch: Launch{Memory: cardMemory("")},
	Docs: []Row{{Tokens: "reply", Cached: "what the server behind it says", Times: "–",
		Reusable: "estimated", Reset: "–", Salt: "first message"}},
}

func signLiteLLM(seen Responses) bool {
	return seen.header(func(name, _ string) bool { return strings.HasPrefix(name, "X-Litellm-") }) ||
		bytes.Contains(seen["/"].Body, []byte("<title>LiteLLM")) ||
		string(bytes.TrimSpace(seen["/health/liveliness"].Body)) == `"I'm alive!"`
}

func identifyLiteLLM(seen Responses, f *Facts) bool {
	if !signLiteLLM(seen) {
		return false
	}
	seen.header(func(name, value string) bool {
		if name == "X-Litellm-Version" {
			f.Version = value
		}
		return f.Version != ""
	})
	models(seen, f)
	if !locked(seen, f) && keyedLiteLLM(seen["/v1/models"]) {
		f.Locked = "/v1/models"
	}
	f.note("it passes requests on to other servers: what is measured is a server, the way to it and LiteLLM together")
	return true
}

// keyedLiteLLM reports whether LiteLLM asks for its master key. Without a database, a request without a key makes it
// fail, and it looks up any other key in the missing database.
func keyedLiteLLM(r Response) bool {
	return r.Status == http.StatusInternalServerError && r.Kind == "text/plain" || r.errorType() == "no_db_connection"
}
