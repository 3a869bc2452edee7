package dsl

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/figure"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
	"homellm/schema"
)

// The defaults of a scenario. The schema states the same values.
const (
	defaultTimeout   = 5 * time.Minute
	defaultRepeats   = 5
	defaultWarmup    = 1
	defaultMaxTokens = 256
)

// decodeScenario reads a scenario for one cell. The tree is not changed. If compile is nil, expressions are not
// compiled.
func decodeScenario(t *tree, v values, find *Search, compile func(*expr.Assertion, expr.Env) syntax.Diagnostics) (
	*Scenario, syntax.Diagnostics) {
	d := &decoder{src: t.src, values: v, find: find, compile: compile, broken: t.broken}
	return d.scenario(t), d.diags
}

func (d *decoder) scenario(t *tree) *Scenario {
	d.documents, d.corpora, d.used = map[string]*Document{}, map[string]*Corpus{}, map[string]bool{}
	d.usedVars, d.usedAxes = map[string]bool{}, map[string]bool{}
	d.declared = map[string]map[string]*syntax.Node{}

	root := d.substituteRoot(t.root)
	if root != t.root {
		d.diags = append(d.diags, checkSchema(root, "scenario", true)...)
	}
	sum := sha256.New()
	sum.Write(t.data)
	d.readDocument = func(what string, n *syntax.Node) string {
		text, ok := d.documentFile(t, what, n)
		if ok {
			fmt.Fprintf(sum, "\x00%s\x00%s", n.Text(), text)
		}
		return text
	}

	d.readImage = func(n *syntax.Node) (wire.Image, bool) {
		shown, ok := d.imageFile(t, n)
		if ok {
			fmt.Fprintf(sum, "\x00%s\x00%s", n.Text(), shown.SHA256)
		}
		return shown, ok
	}

	d.match = func(pattern string) ([]string, error) { return matchFiles(t.dir, pattern) }

	d.get(root, "schema")
	d.nameOfFiles(d.get(root, "name"), "a scenario", d.str(root, "name"))
	s := &Scenario{
		Pos:         d.src.Pos(root),
		Name:        d.str(root, "name"),
		Description: d.str(root, "description"),
		Tags:        d.strs(root, "tags"),
		Vars:        maps.Clone(d.values.vars),
		Run:         d.run(d.get(root, "run")),
	}
	d.get(root, "matrix") // read by the planner
	d.get(root, "vars")
	for _, n := range d.list(root, "documents") {
		s.Documents = append(s.Documents, d.readDeclaration(n))
	}
	s.Corpora = d.readCorpora(d.list(root, "corpora"))
	s.Schemas = d.schemas(d.get(root, "schemas"))
	d.answers = s.Schemas
	def := d.defaults(d.get(root, "defaults"))
	var checks []pending
	s.Requires, checks = d.requires(d.get(root, "requires"))
	var steps [][]decodedStep // of each conversation
	for _, n := range d.list(root, "conversations") {
		more, own, asked := d.conversations(n, s.Tags, def, len(s.Conversations))
		s.Conversations, steps = append(s.Conversations, more...), append(steps, own...)
		checks = append(checks, asked...)
	}
	for i, c := range s.Conversations {
		before := len(d.diags)
		d.playContext(c, steps[i])
		if s.Again(i) {
			d.forgetAgain(before)
		}
	}
	var own []pending
	s.Assert, own = d.asserts(root, "assert", figure.ScenarioScope, "", -1, -1)
	checks = append(checks, own...)
	s.Overall, own = d.asserts(root, "overall", figure.OverallScope, "", -1, -1)
	checks = append(checks, own...)
	checks = append(checks, d.sought(s)...)
	s.SLO, own = d.objectives(d.get(root, "slo"))
	checks = append(checks, own...)
	d.compileAll(s, checks)
	d.linkScenario(s, root, checks)
	s.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return s
}

// schemas reads the schemas that answers can be validated against.
func (d *decoder) schemas(n *syntax.Node) map[string]*schema.AnswerSchema {
	if n == nil || n.Kind != syntax.MapKind {
		return nil
	}
	out := map[string]*schema.AnswerSchema{}
	for _, e := range n.Entries {
		out[e.Key] = d.answerSchema(e.Node) // nil if it is wrong: using its name is not a second mistake
	}
	return out
}

// answerSchema reads a JSON Schema, or says what is wrong with it and returns nil.
func (d *decoder) answerSchema(n *syntax.Node) *schema.AnswerSchema {
	answer, problems := schema.NewAnswerSchema(n.Plain())
	for _, p := range problems {
		at := n.Locate(p.Path)
		if at == nil {
			at, p.Path = n, nil
		}
		d.problem(at, p)
	}
	return answer
}

// substituteRoot substitutes everywhere except in the settings of the run, which all cells share.
func (d *decoder) substituteRoot(root *syntax.Node) *syntax.Node {
	if root.Kind != syntax.MapKind {
		return root
	}
	out := *root
	out.Entries = slices.Clone(root.Entries)
	changed := false
	for i, e := range out.Entries {
		d.inRun = e.Key == "run"
		switch e.Key {
		case "conversations":
			out.Entries[i].Node = d.substituteConversations(e.Node)
		case "requires":
			out.Entries[i].Node = d.substituteRequires(e.Node)
		default:
			out.Entries[i].Node = d.substitute(e.Node, e.Key)
		}
		changed = changed || out.Entries[i].Node != e.Node
	}
	d.inRun = false
	if !changed {
		return root
	}
	return &out
}

func (d *decoder) requires(n *syntax.Node) (r Requires, checks []pending) {
	r = Requires{ContextTokens: d.integer(n, "context_tokens", 0), Capabilities: d.strs(n, "capabilities")}
	that := d.get(n, BoxAxis)
	text := strings.TrimSpace(that.Text())
	if that == nil || that.Kind != syntax.StringKind || text == "" {
		return r, nil
	}
	r.Box = &expr.Assertion{Name: string(figure.BoxScope), That: text, Pos: d.src.Pos(that), Scope: figure.BoxScope}
	return r, []pending{{assertion: r.Box, node: that, conversation: -1, step: -1}}
}

func (d *decoder) run(n *syntax.Node) Run {
	r := Run{
		Repeats:     d.integer(n, "repeats", defaultRepeats),
		Warmup:      d.integer(n, "warmup", defaultWarmup),
		Order:       Order(d.strOr(n, "order", string(Interleaved))),
		Cooldown:    d.duration(n, "cooldown", 0),
		ErrorBudget: d.percent(n, "error_budget", 0),
	}
	r.Play, r.Users = plays[d.strOr(n, "play", "sequential")], d.integer(n, "users", 0)
	r.Think, r.Ramp = d.think(n), d.duration(n, "ramp", 0)
	if r.Ramp > 0 && r.Play != Together {
		d.errorf(d.get(n, "ramp"), "links/play", "write play: together, or leave ramp out",
			"ramp says when users begin who play together, and with play: %s one request is under way at a time",
			cmp.Or(string(r.Play), "sequential"))
	}
	d.lasting(n, &r)
	isolation := d.get(n, "isolation")
	r.Cache = Isolation(d.strOr(isolation, "cache", string(BySalt)))
	scope := OfRepeat
	switch {
	case r.Cache != BySalt:
	case r.Users > 1:
		scope = OfUser
	case r.Play == Together && r.Users == 0:
		scope = OfConversation
	}
	r.Scope = Span(d.strOr(isolation, "scope", string(scope)))
	r.AllowStale = d.flag(isolation, "allow_contaminated", false)
	switch empties := r.Cache == ByReset || r.Cache == ByRestart; {
	case empties && r.Scope == OfUser:
		d.errorf(d.get(isolation, "scope"), "links/isolation", "isolate with cache: salt, or with scope: repeat",
			"a %s for one user empties the cache of all", r.Cache)
	case empties && r.Scope == OfConversation && r.Play != OneByOne:
		d.errorf(d.get(isolation, "scope"), "links/isolation", "isolate with cache: salt, or with scope: repeat",
			"with play: %s the conversations are under way together, and a %s for one would empty the cache of all", r.Play,
			r.Cache)
	case empties && r.Duration > 0 && r.Scope == OfRepeat && r.Play != OneByOne:
		d.errorf(firstOf(d.get(isolation, "scope"), d.get(isolation, "cache")), "links/isolation",
			"isolate with cache: salt, or with scope: run",
			"with play: %s conversations of one window are still under way when the next begins, and a %s would empty their "+
				"cache", r.Play, r.Cache)
	}
	if r.Cache == NotIsolated && r.Repeats+r.Warmup > 1 && !r.AllowStale {
		d.errorf(d.get(isolation, "cache"), "links/isolation",
			"isolate with cache: salt, play once (repeats: 1, warmup: 0), or say allow_contaminated: true",
			"without isolation every pass after the first finds the cache of the one before")
	}
	return r
}

// defaults are the settings that steps inherit.
type defaults struct {
	timeout time.Duration
	request Sampling
	history HistoryMode
	varies  bool // a variable or an axis decides the history
}

func (d *decoder) defaults(n *syntax.Node) defaults {
	return defaults{
		timeout: d.limit(n, "timeout", defaultTimeout),
		request: d.sampling(d.get(n, "request"), Sampling{MaxTokens: defaultMaxTokens}),
		history: HistoryMode(d.strOr(n, "history", string(Live))),
		varies:  d.refers(n, "history"),
	}
}

// refers reports whether a value was written as a reference.
func (d *decoder) refers(n *syntax.Node, key string) bool {
	v := d.get(n, key)
	return v != nil && v.Reference != ""
}

// sampling returns the settings of a request: those of n, or the default's where n has none.
func (d *decoder) sampling(n *syntax.Node, s Sampling) Sampling {
	if f, ok := asFloat(d.get(n, "temperature")); ok {
		s.Temperature = &f
	}
	if f, ok := asFloat(d.get(n, "top_p")); ok {
		s.TopP = &f
	}
	if i, ok := asInt(d.get(n, "seed")); ok {
		seed := int64(i)
		s.Seed = &seed
	}
	if i, ok := asInt(d.get(n, "min_tokens")); ok {
		s.MinTokens = &i
	}
	if b := d.get(n, "ignore_eos"); b != nil && b.Kind == syntax.BoolKind {
		ignore := b.Scalar.(bool)
		s.IgnoreEOS = &ignore
	}
	if stop := d.strs(n, "stop"); stop != nil {
		s.Stop = stop
	}
	s.MaxTokens = d.integer(n, "max_tokens", s.MaxTokens)
	s.API = wire.API(d.strOr(n, "api", string(s.API)))
	s = d.numbers(n, d.chat(n, s))
	if s.MinTokens != nil && *s.MinTokens > s.MaxTokens {
		d.errorf(firstOf(d.get(n, "min_tokens"), d.get(n, "max_tokens")), "links/request",
			"lower min_tokens, or raise max_tokens", "min_tokens %d is more than max_tokens %d", *s.MinTokens, s.MaxTokens)
	}
	return s
}

// conversations reads one declaration: a conversation, or one for each item of its data set. Index is that of the first
// of them in the scenario.
func (d *decoder) conversations(n *syntax.Node, tags []string, def defaults, index int) (
	all []*Conversation, steps [][]decodedStep, checks []pending) {
	each := d.get(n, "for_each")
	if set := d.forEach(each); set != nil {
		return d.itemConversations(n, set, tags, def, index)
	}
	c, own := d.conversation(n, tags, def)
	checks = d.conversationAsserts(c, n, own, index)
	if each != nil { // its data set cannot be read, so what names the items cannot be checked
		own, checks = nil, nil
	}
	return []*Conversation{c}, [][]decodedStep{own}, checks
}

func (d *decoder) conversation(n *syntax.Node, tags []string, def defaults) (*Conversation, []decodedStep) {
	c := &Conversation{
		Pos:         d.src.Pos(n),
		ID:          d.declare("conversation", n, "id"),
		Title:       d.str(n, "title"),
		Description: d.str(n, "description"),
		Tokens:      d.integer(n, "tokens", 0),
		System:      d.str(n, "system"),
		Tools:       d.tools(n),
		History:     HistoryMode(d.strOr(n, "history", string(def.history))),
	}
	c.Given = d.given(d.get(n, "given"), c)
	for _, tag := range slices.Concat(tags, d.strs(n, "tags")) {
		if !slices.Contains(c.Tags, tag) {
			c.Tags = append(c.Tags, tag)
		}
	}
	var steps []decodedStep
	for _, sn := range d.list(n, "steps") {
		s := d.step(sn, c, def)
		s.varies = d.refers(n, "history") || def.varies && d.get(n, "history") == nil
		steps = append(steps, s)
		c.Steps = append(c.Steps, s.step)
	}
	return c, steps
}

func (d *decoder) step(n *syntax.Node, c *Conversation, def defaults) decodedStep {
	out := decodedStep{node: n, reply: d.get(n, "reply"), replies: d.strs(n, "reply")}
	out.rounds = d.rounds(n, c)
	out.step = &Step{
		Pos:     d.src.Pos(n),
		ID:      d.declare("step", n, "id"),
		Timeout: d.limit(n, "timeout", def.timeout),
		Request: d.sampling(d.get(n, "request"), def.request),
	}
	d.checkChoice(n, c, out.step.Request)
	for _, a := range actions {
		value := d.get(n, a.Key)
		if value == nil || out.step.Do != nil {
			continue
		}
		out.step.Action = a.Key
		out.step.Do, out.effect = a.decode(d, stepInput{node: value, step: n, replies: out.replies, rounds: out.rounds})
		if out.rounds != nil && !a.Asks && d.get(n, "max_rounds") != nil {
			d.warnKey(n, "max_rounds", "links/tool", "remove it", "%s has one request at most, so max_rounds has no effect",
				a.Key)
		}
	}
	return out
}
