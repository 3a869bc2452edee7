package engines

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"homellm/engine/wire"
)

// onDemand holds what servers have in common that start a program for the model of a request. Only what that program's
// replies report can be measured.
func onDemand(e Engine) Engine {
	e.Models.OnDemand = true
	e.Keys = onOpenAI(withModel(Words{}))
	e.Capabilities = []Capability{
		{"usage", true, "the usage block of a reply, as the program that runs the model sends it"},
		{"cache_report", false, "of the program that runs the model; the self-test tells whether its replies report them"},
		noReset, saltInMessage,
		{"tokenize", false, "that of the program that runs the model is not passed on; prompt ceilings are estimates"},
		{"metrics", false, "those of the program that runs the model are not passed on: other clients cannot be seen"},
		{"server_timings", false, "unless a reply has those of the program that runs the model"},
		{"ignore_eos", false, "whether the program that runs the model supports it is not known"},
	}
	e.Prompt = Prompt{Text: TextRule{Stops: 4}, OtherTemplates: true}
	e.Launch.Memory = cardMemory("")
	e.Docs = []Row{{Tokens: "reply", Cached: "what the reply says, if it says anything", Times: "what the reply says",
		Reusable: "estimated", Reset: "–", Salt: "first message"}}
	return e
}

var llamaSwap = onDemand(Engine{
	Name: "llama-swap", Title: "llama-swap", Ports: []int{8080},
	API: API{
		Sign:     func(seen Responses) bool { return ownedBy(seen, "llama-swap") },
		Paths:    []string{"/running", "/api/version"},
		Identify: identifyLlamaSwap, Load: loadLlamaSwap, Loaded: loadedLlamaSwap,
	},
	APIs:  newerAPIs(passedOn, passedOn),
	Hints: Hints{Start: "llama-swap --config config.yaml"},
})

// passedOn is an API that llama-swap passes on to the program that runs the model, if that serves it.
var passedOn = Served{Source: "its README", Counts: true}

// running is llama-swap's list of the programs that it has started.
type running struct {
	Running []struct {
		Model string `json:"model"`
		State string `json:"state"`
	} `json:"running"`
}

func identifyLlamaSwap(seen Responses, f *Facts) bool {
	if !ownedBy(seen, "llama-swap") {
		return false
	}
	f.Version, _ = version(seen["/api/version"])
	models(seen, f)
	var now running
	if seen["/running"].into(&now) {
		for i := range f.Models {
			f.Models[i].Loaded = new(now.ready(f.Models[i].ID))
		}
	}
	return true
}

func (r running) ready(model string) bool {
	for _, m := range r.Running {
		if m.Model == model {
			return m.State == "ready"
		}
	}
	return false
}

func loadedLlamaSwap(ctx context.Context, s Server) ([]LoadedModel, error) {
	var now running
	r, err := get(ctx, s, "/running")
	if err == nil && !r.into(&now) {
		err = fmt.Errorf("the reply is not what llama-swap sends: %s", shorten(string(r.Body), 200))
	}
	if err != nil {
		return nil, fmt.Errorf("reading /running: %w", err)
	}
	var out []LoadedModel
	for _, m := range now.Running {
		if m.State == "ready" {
			out = append(out, LoadedModel{Name: m.Model})
		}
	}
	return out, nil
}

// loadLlamaSwap makes it start a model's program by requesting that program's list of models, which costs nothing
// else.
func loadLlamaSwap(ctx context.Context, s Server, t Target) error {
	path := "/upstream/" + (&url.URL{Path: t.Model}).EscapedPath() + "/v1/models"
	r := s.Call(ctx, http.MethodGet, path, nil, loadLimit)
	if err := r.Failure(); err != nil {
		return fmt.Errorf("loading %s: %w", t.Model, err)
	}
	return nil
}

// localAINewer is the entry of both newer APIs: they came in the same release.
var localAINewer = Served{Since: "3.10.0", Source: "its release notes"}

var localAI = onDemand(Engine{
	Name: "localai", Title: "LocalAI", Ports: []int{8080},
	API:   API{Paths: []string{"/version"}, Identify: identifyLocalAI},
	APIs:  newerAPIs(localAINewer, localAINewer),
	Hints: Hints{Start: "local-ai run"},
})

func identifyLocalAI(seen Responses, f *Facts) bool {
	var system struct {
		Backends []string `json:"backends"`
		Loaded   *[]struct {
			ID string `json:"id"`
		} `json:"loaded_models"`
	}
	if !seen["/system"].into(&system) || system.Backends == nil || system.Loaded == nil {
		return false
	}
	f.Version, _ = version(seen["/version"])
	models(seen, f)
	for i := range f.Models {
		loaded := false
		for _, m := range *system.Loaded {
			loaded = loaded || m.ID == f.Models[i].ID
		}
		f.Models[i].Loaded = &loaded
	}
	return true
}

var mlxLM = onDemand(Engine{
	Name: "mlx-lm", Title: "MLX-LM", Ports: []int{8080},
	API:   API{Sign: signMLX, Identify: identifyMLX},
	APIs:  newerAPIs(unserved("MLX-LM", "its server.py in August 2026"), unserved("MLX-LM", "ml-explore/mlx-lm#1068")),
	Hints: Hints{Start: "mlx_lm.server --model MODEL"},
})

// signMLX recognises mlx_lm.server by Python's web server and a list of repositories without owners. The list has
// every model in the cache, and a request loads the model that it names.
func signMLX(seen Responses) bool {
	var list listed
	return strings.HasPrefix(seen["/v1/models"].Header.Get("Server"), "BaseHTTP/") && seen["/v1/models"].into(&list) &&
		slices.ContainsFunc(list.Data, func(m listedModel) bool {
			return m.OwnedBy == "" && strings.Contains(strings.ToLower(m.ID), "mlx")
		})
}

func identifyMLX(seen Responses, f *Facts) bool { return signMLX(seen) && models(seen, f) }

var dockerModels = onDemand(Engine{
	Name: "docker-model-runner", Title: "Docker Model Runner", Ports: []int{12434},
	API: API{
		Sign:     func(seen Responses) bool { return ownedBy(seen, "docker") },
		Identify: identifyDocker,
	},
	APIs: newerAPIs(Served{Source: "its source in July 2026"}, Served{Source: "its source in July 2026", Counts: true}),
	Hints: Hints{
		Start: "docker desktop enable model-runner --tcp 12434",
		Pull:  "docker model pull", SmallModel: "ai/smollm2",
	},
})

// identifyDocker recognises it by the owner of its models. Older versions have their API under /engines only.
func identifyDocker(seen Responses, f *Facts) bool {
	if ownedBy(seen, "docker") {
		return models(seen, f)
	}
	older := Responses{"/v1/models": seen["/engines/v1/models"]}
	if !ownedBy(older, "docker") {
		return false
	}
	f.Prefix = "/engines"
	return models(older, f)
}

var lemonade = onDemand(Engine{
	Name: "lemonade", Title: "Lemonade", Ports: []int{8000, 13305},
	API: API{
		Sign:     func(seen Responses) bool { return ownedBy(seen, "lemonade") },
		Paths:    []string{"/v1/health"},
		Identify: identifyLemonade,
	},
	APIs:  newerAPIs(Served{Source: "its docs/api/openai.md"}, Served{Source: "its docs/api/anthropic.md"}),
	Hints: Hints{Start: "lemonade-server serve", Pull: "lemonade-server pull"},
})

func identifyLemonade(seen Responses, f *Facts) bool {
	if !ownedBy(seen, "lemonade") {
		return false
	}
	models(seen, f)
	var health struct {
		Version string `json:"version"`
		Loaded  []struct {
			Name    string `json:"model_name"`
			Options struct {
				Context *int `json:"ctx_size"`
			} `json:"recipe_options"`
		} `json:"all_models_loaded"`
	}
	if !seen["/v1/health"].into(&health) {
		return true
	}
	f.Version = health.Version
	for i := range f.Models {
		m := &f.Models[i]
		m.Loaded = new(false)
		for _, l := range health.Loaded {
			if l.Name == m.ID {
				m.Loaded, m.ContextTokens = new(true), upTo(l.Options.Context, mostTokens)
			}
		}
	}
	return true
}

var jan = onDemand(Engine{
	Name: "jan", Title: "Jan", Ports: []int{1337},
	API:   API{Identify: identifyJan},
	APIs:  map[wire.API]Served{wire.Messages: {Since: "January 2026", Source: "janhq/jan#7395"}},
	Hints: Hints{Start: "start the Local API Server in Jan's settings"},
})

// identifyJan recognises it by its page at the root.
func identifyJan(seen Responses, f *Facts) bool {
	if !seen["/"].HTML() || !bytes.Contains(seen["/"].Body, []byte("<title>Jan")) {
		return false
	}
	return models(seen, f) || locked(seen, f)
}
