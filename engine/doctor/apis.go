package doctor

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"homellm/dsl"
	"homellm/engine/client"
	"homellm/engine/engines"
	"homellm/engine/server"
)

// apiLimit is the timeout of a request to an API that a server may not have.
const apiLimit = 30 * time.Second

// asked finds out which of the optional APIs a server has: it requests one token from each. APIs for which the answer
// does not tell are left out.
func (d *Doctor) asked(ctx context.Context, config client.Config) (out []engines.Capability) {
	for _, config.API = range engines.Optional {
		one, err := client.New(config)
		if err != nil {
			continue
		}
		if c, known := d.ask(ctx, one, string(config.API)); known {
			out = append(out, c)
		}
		one.CloseIdle()
	}
	return out
}

// ask requests one token. It returns false if the answer does not tell whether the server has the API.
func (d *Doctor) ask(ctx context.Context, one *client.Client, api string) (c engines.Capability, known bool) {
	ctx, cancel := context.WithTimeout(ctx, apiLimit)
	defer cancel()
	defer d.Waiting("an answer by api: " + api)()
	now := time.Now()
	e := one.Do(ctx, now, now, client.Prompt{Messages: []client.Message{{Role: "user", Content: "Hello"}}, MaxTokens: 1})
	c = engines.Capability{Name: api, OK: e.Err == nil, How: "it answered a request"}
	if e.Err != nil {
		c.How = "it refuses a request: " + e.Err.Message
	}
	missing := []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}
	told := e.Status == http.StatusOK && e.Err != nil && e.Err.Class == "bad_request" // as LM Studio does
	return c, e.Err == nil || told || slices.Contains(missing, e.Status)
}

// apis lists the optional APIs: the results of asking, or else what is known of the engine.
func (d *Doctor) apis(f server.Found, seen tested) []server.Ability {
	f.APIs = engines.LastOfEach(slices.Concat(f.APIs, seen.apis))
	profile := d.Library.Server(d.Library.Attach("doctor", f.Engine, f.URL))
	every := dsl.EveryKey()
	for _, every.API = range engines.Optional {
		i := slices.IndexFunc(f.APIs, func(c engines.Capability) bool { return c.Name == string(every.API) })
		switch {
		case i < 0: // not known
		case !f.APIs[i].OK:
			d.Report.Line("/v1/"+f.APIs[i].Name, "no   %s", f.APIs[i].How)
		default:
			d.Report.Line("/v1/"+f.APIs[i].Name, "yes  %s%s", f.APIs[i].How, lacking(profile.Unkept(every)))
		}
	}
	return server.Abilities(f.APIs)
}

// lacking says which keys of a request an API does not support.
func lacking(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return "; not supported: " + strings.Join(keys, ", ")
}
