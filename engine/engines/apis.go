package engines

import (
	"slices"

	"homellm/engine/wire"
)

// Served says whether an engine serves an API that not every engine has.
type Served struct {
	// the first version that has it, or the month of the first builds; empty: every version that homellm knows
	Since  string
	Never  string // why no version serves it at the path that homellm asks; empty: some version does
	Source string // where this is documented
	Counts bool   // the API can also count the tokens of a prompt without answering it
}

// Optional are the APIs that current clients use and only some engines serve.
var Optional = []wire.API{wire.Responses, wire.Messages}

// newerAPIs says how an engine serves each API of [Optional].
func newerAPIs(responses, messages Served) map[wire.API]Served {
	return map[wire.API]Served{wire.Responses: responses, wire.Messages: messages}
}

// Serving lists which optional APIs a version of the engine serves; the version may be unknown. APIs of which nothing
// is known are left out.
func (e Engine) Serving(version string) []Capability {
	var out []Capability
	for _, api := range Optional {
		if c, known := e.serves(api, version); known {
			out = append(out, c)
		}
	}
	return out
}

// serves says whether a version of the engine serves an API; false if that is not known.
func (e Engine) serves(api wire.API, version string) (c Capability, known bool) {
	s, known := e.APIs[api]
	if !known {
		return c, false
	}
	c = Capability{Name: string(api), OK: true, How: "see " + s.Source}
	switch {
	case s.Never != "":
		c.OK, c.How = false, s.Never+" ("+s.Source+")"
	case s.older(version):
		c.OK, c.How = false, "since "+s.Since+", and this is "+version+" ("+s.Source+")"
	case s.Since != "":
		c.How = "since " + s.Since + " (" + s.Source + ")"
	}
	return c, true
}

// older reports whether a version is older than the first one that serves an API. Builds without a version report
// 0.0.0.
func (s Served) older(version string) bool {
	if s.Since == "" || s.Since[0] < '0' || s.Since[0] > '9' {
		return false // a month cannot be compared with a version
	}
	have := Binary{Version: version}
	unknown := !slices.ContainsFunc(have.numbers(), func(n int) bool { return n > 0 })
	return !unknown && !have.atLeast(Binary{Version: s.Since}.numbers()...)
}

// Refuses says why no version of the engine serves an API; empty: some version does, or it is not known.
func (e Engine) Refuses(api wire.API) string {
	if s := e.APIs[api]; s.Never != "" {
		return s.Never + " (" + s.Source + ")"
	}
	if api == wire.LMStudio && e.Role != Generic && e.API.Dialect != api {
		return "that is LM Studio's own, which " + e.Title + " does not have"
	}
	return ""
}

// unserved is the entry of an API that an engine does not have.
func unserved(title, source string) Served {
	return Served{Never: title + " does not have it", Source: source}
}
