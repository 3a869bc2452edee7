package dsl

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/engines"
	"homellm/engine/wire"
)

// ability is one capability of a server, and whether a profile declares it.
type ability struct {
	name string
	of   func(Capabilities) bool
}

// abilities are the names in requires.capabilities that a profile can decide, in the order of the schema; gpu belongs
// to the machine and is not among them.
var abilities = []ability{
	{"streaming", func(c Capabilities) bool { return c.Streaming }},
	{"usage", func(c Capabilities) bool { return c.Usage }},
	{"cache_report", func(c Capabilities) bool { return c.CacheReport.Told() }},
	{"cache_reset", func(c Capabilities) bool { return c.CacheReset != nil }},
	{"cache_salt", func(c Capabilities) bool { return c.CacheSalt != "" }},
	{"tokenize", func(c Capabilities) bool { return c.Tokenize != "" }},
	{"metrics", func(c Capabilities) bool { return c.Metrics != "" }},
}

// selfTested are the abilities that neither a profile nor a server's description decides, but the replies to the test
// before a run.
var selfTested = []string{"usage", "cache_report"}

// abilities lists the abilities of the server.
func (c Capabilities) abilities() []string {
	var names []string
	for _, a := range abilities {
		if a.of(c) {
			names = append(names, a.name)
		}
	}
	return names
}

// Server is one resolved profile of a servers file.
type Server struct {
	Pos         syntax.Pos
	Name        string
	Description string
	Abstract    bool
	Engine      string // its name in the table of engines
	Models      []string
	Launch      *Launch // nil: attach only
	Variants    []Variants
	Chosen      []Label // of the variants, in their order
	Address
	Wire
	ContextTokens int // 0: ask the server
	Lifecycle
	HTTP         Timeouts
	Capabilities Capabilities
	Embeddings   *Service // who embeds, as the profile says; see Embedder
	Rerank       *Service
}

// Address is where a server answers, and its key.
type Address struct {
	Attach   string // base URL without path; empty: the server is launched
	APIKey   Secret
	Port     int // 0: any free one
	BasePath string
}

// Wire is the form of prompts for a server.
type Wire struct {
	API       wire.API
	Placement string         // how system messages are sent: native | merge | first_user
	Body      map[string]any // extra keys of every request
	// none: tags around reasoning are part of an answer; empty: they are removed
	ReasoningTags string
}

// Lifecycle says when a server is ready, how long its start may take, and how it is stopped.
type Lifecycle struct {
	Health  Health
	Startup Wait
	Stop    Stop
}

// Launch is how a server is started: an argv, never a shell line. Flags keep the file's order.
type Launch struct {
	Pos     syntax.Pos
	Command []string
	Env     []Flag
	Flags   []Flag
}

// Flag is one command-line flag or environment variable: a bool, int, float64, string or []string.
type Flag struct {
	Pos   syntax.Pos
	Name  string
	Value any
}

// Secret says where a key is; the key itself is never in a file.
type Secret struct {
	Env  string
	File string
}

// Health says when a server is ready.
type Health struct {
	Path   string
	Status int
	Then   []string // what is checked next: models, completion
}

// Wait limits the start of a server.
type Wait struct {
	Timeout  time.Duration
	Interval time.Duration
}

// Stop says how a server is stopped.
type Stop struct {
	Signal string
	Grace  time.Duration
}

// Timeouts limit one request.
type Timeouts struct {
	Connect    time.Duration
	FirstToken time.Duration
	Idle       time.Duration
}

// Whole limits a request that is not a turn of a scenario and asks for a few tokens. (A turn has its own limit.) The
// time-outs alone would let a server that sends something now and then go on for ever.
func (t Timeouts) Whole() time.Duration {
	return cmp.Or(t.FirstToken, defaultFirstToken) + cmp.Or(t.Idle, defaultIdle)
}

// Capabilities is what a server offers besides completions.
type Capabilities struct {
	CacheReport CacheReport
	CacheReset  *Endpoint
	CacheSalt   string // body key; empty: none
	IgnoreEOS   string // body key
	MinTokens   string // body key
	Usage       bool   // reports token counts
	Streaming   bool
	Tokenize    string // path; empty: none
	Metrics     string // path; empty: none
	Images      *bool  // takes images; nil: as the server reports, or else the models file
	BlockTokens int    // tokens in one block of its prefix cache; 1 if it caches single tokens
}

// CacheReport says how cached tokens are reported.
type CacheReport struct {
	Source    string // usage | timings | counters | none
	NullMeans string // zero | unknown
	Verify    bool
}

// notTold is the source if there is no report.
const notTold = "none"

// Told reports whether cached tokens are reported.
func (r CacheReport) Told() bool { return r.Source != "" && r.Source != notTold }

// Endpoint is one HTTP call.
type Endpoint struct {
	Method string
	Path   string
}

// argv returns the command line of a server: the command, then the flags in the order of the file. Values are the
// values of the placeholders by name: port, context_tokens, model.name, model.ref, model.file, model.served_name,
// model.revision.
//
// A flag is written --with-dashes. True gives the flag alone, false nothing, a list the flag and every value after
// it. A flag with a placeholder that has no value is left out, so that a model without a pinned revision is started
// without --revision.
func (l *Launch) argv(values map[string]string) []string {
	l = l.Expand(values)
	argv := l.Command
	for _, f := range l.Flags {
		name := "--" + strings.ReplaceAll(f.Name, "_", "-")
		switch v := f.Value.(type) {
		case bool:
			if v {
				argv = append(argv, name)
			}
		case []string:
			argv = append(append(argv, name), v...)
		default:
			argv = append(argv, name, expr.LiteralText(v))
		}
	}
	return argv
}

// Expand returns the launch with its placeholders replaced. A flag with a placeholder that has no value is left out.
func (l *Launch) Expand(values map[string]string) *Launch {
	out := &Launch{Pos: l.Pos}
	for _, part := range l.Command {
		out.Command = append(out.Command, expand(part, values))
	}
	for _, f := range l.Env {
		f.Value = expand(expr.LiteralText(f.Value), values)
		out.Env = append(out.Env, f)
	}
	for _, f := range l.Flags {
		switch v := f.Value.(type) {
		case []string:
			list := make([]string, len(v))
			for i, item := range v {
				list[i] = expand(item, values)
			}
			f.Value = list
		case string:
			text := expand(v, values)
			if text == "" && v != "" {
				continue
			}
			f.Value = text
		}
		out.Flags = append(out.Flags, f)
	}
	return out
}

// Needs returns the first placeholder of the command line with this prefix that must have a value; empty if there is
// none. A flag with a placeholder without a value is left out, but a part of the command cannot be. Optional flags
// (model.revision) do not need a value.
func (l *Launch) Needs(prefix string) string {
	texts := append([]string{}, l.Command...)
	for _, f := range l.Flags {
		switch v := f.Value.(type) {
		case string:
			texts = append(texts, v)
		case []string:
			texts = append(texts, v...)
		}
	}
	for _, text := range texts {
		for _, m := range launchForm.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], prefix) && m[1] != "model.revision" {
				return m[1]
			}
		}
	}
	return ""
}

// Environ returns the environment variables of a server as NAME=value, in the order of the file.
func (l *Launch) Environ(values map[string]string) []string {
	var env []string
	for _, f := range l.Env {
		env = append(env, f.Name+"="+expand(expr.LiteralText(f.Value), values))
	}
	return env
}

// expand replaces the placeholders of a launch. Their names were checked when the file was read.
func expand(text string, values map[string]string) string {
	return launchForm.ReplaceAllStringFunc(text, func(m string) string {
		return values[strings.TrimSuffix(strings.TrimPrefix(m, "${"), "}")]
	})
}

// launchNames are the placeholders of a launch.
var launchNames = []string{"port", "context_tokens", "model.name", "model.ref", "model.file", "model.served_name",
	"model.revision"}

var launchForm = regexp.MustCompile(`\$\{([^{}]*)\}?`)

// WithContext returns the profile with another context. It is an error if the command line does not take the context
// from the profile.
func (s *Server) WithContext(tokens int) (*Server, error) {
	if tokens < 0 {
		return nil, fmt.Errorf("%d is less than nothing", tokens)
	}
	if s.Launch == nil || s.Launch.Needs("context_tokens") == "" {
		return nil, s.Errorf("its command line does not take the context from it")
	}
	out := *s
	out.ContextTokens = tokens
	return &out, nil
}

// Errorf is an error about the profile, at its place in the file.
func (s *Server) Errorf(format string, args ...any) error {
	return s.errorAt(s.Pos, fmt.Errorf(format, args...))
}

// LaunchErrorf is an error about how the profile is started, at the place of its launch.
func (s *Server) LaunchErrorf(format string, args ...any) error {
	return s.errorAt(s.Launch.Pos, fmt.Errorf(format, args...))
}

func (s *Server) errorAt(pos syntax.Pos, err error) error {
	if pos.File == "" {
		return fmt.Errorf("server %s: %w", s.Instance(), err)
	}
	return fmt.Errorf("%s:%d: server %s: %w", pos.File, pos.Line, s.Instance(), err)
}

// Service is who embeds or reranks for the scenarios of a profile.
type Service struct {
	Server string // another profile, of a server that runs; empty: the profile's own server
	Model  string // empty: of the own server the model that it serves, of another the only one that it has

	profile *Server
}

// Profile is the profile of the other server; nil: it is the profile's own server.
func (s *Service) Profile() *Server { return s.profile }

// Embedder is who embeds for the profile; nil: nobody. The simulator does it itself.
func (s *Server) Embedder() *Service { return s.orOwn(s.Embeddings) }

// Reranker is who reranks for the profile; nil: nobody. The simulator does it itself.
func (s *Server) Reranker() *Service { return s.orOwn(s.Rerank) }

func (s *Server) orOwn(named *Service) *Service {
	if named == nil && engines.Of(s.Engine).Role == engines.Simulator {
		return &Service{}
	}
	return named
}
