package engines

import "slices"

// Facts holds what a server's responses say about it. What they do not say is absent.
type Facts struct {
	Version      string       // as the server spells it
	Starting     string       // its message that it is not ready yet
	Broken       string       // its message that it is broken
	Locked       string       // path whose answer asks for a key, or for a different key; empty: none does
	Prefix       string       // path of its API, if that is not at the root
	Simulation   string       // what is simulated, such as "RTX 4090, qwen2.5-3b"
	Models       []Model      // in the server's order
	BlockTokens  *int         // tokens in one block of the prefix cache
	Slots        *int         // requests it runs at the same time
	Capabilities []Capability // that differ from the engine's entry
	APIs         []Capability // optional APIs that were seen to be served, or not served
	Notes        []string     // what a user should know about the numbers
}

// Model is one model that a server lists.
type Model struct {
	ID            string
	Aliases       []string // other names for it
	Root          string   // what it was loaded from: names with the same root are one model
	File          string   // path of its weights on the server's machine
	OwnedBy       string
	ContextTokens *int     // context it is served with
	DefaultTokens *int     // context of requests that ask for none, if requests may ask
	TrainedTokens *int     // context it was trained for
	Thoughts      *bool    // its chat template reads what an assistant has thought; nil: unknown
	Loaded        *bool    // in memory now, if the server says so
	GPUShare      *float64 // share of its bytes in GPU memory, 0..1, if the server says so
}

// note adds a sentence for the user.
func (f *Facts) note(text string) { f.Notes = append(f.Notes, text) }

// can adds a capability that was seen, or found to be missing.
func (f *Facts) can(c ...Capability) { f.Capabilities = append(f.Capabilities, c...) }

// hasModel reports whether a model is listed under exactly this name.
func (f *Facts) hasModel(id string) bool {
	for _, m := range f.Models {
		if m.ID == id {
			return true
		}
	}
	return false
}

// Capability is one thing that homellm can or cannot do with a server.
type Capability struct {
	Name string // usage, cache_report, cache_reset, cache_salt, tokenize, metrics, server_timings, ignore_eos
	OK   bool
	How  string // the source, or why not and the remedy
}

// Capabilities that several engines share.
var (
	usageInReply  = Capability{"usage", true, "the usage block of every reply"}
	saltInMessage = Capability{
		"cache_salt",
		true,
		"a nonce at the start of the first message; the engine has no key for it",
	}
	saltInBody = Capability{"cache_salt", true, "cache_salt in the body of a request"}
	noMetrics  = Capability{"metrics", false,
		"the engine has no metrics endpoint: whether other clients use it at the same time cannot be seen"}
	noReset = Capability{
		"cache_reset",
		false,
		"the engine has no way to drop its cache; restart it, or isolate with cache: salt",
	}
	noIgnoreEOS = Capability{
		"ignore_eos",
		false,
		"the engine ends a reply when the model does: reply lengths differ between runs",
	}
	ignoreEOS = Capability{"ignore_eos", true, "ignore_eos in the body of a request"}
	banEOS    = Capability{"ignore_eos", true, "ban_eos_token in the body of a request"}
	noTimings = Capability{"server_timings", false, "they come from /metrics, which is not there"}
)

// LastOfEach keeps the position of the first and the value of the last capability of each name, so that what was seen
// replaces what the engine's table says.
func LastOfEach(all []Capability) []Capability {
	var out []Capability
	for _, c := range all {
		if i := slices.IndexFunc(out, func(o Capability) bool { return o.Name == c.Name }); i >= 0 {
			out[i] = c
			continue
		}
		out = append(out, c)
	}
	return out
}
