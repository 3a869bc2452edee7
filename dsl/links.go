package dsl

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"homellm/dsl/syntax"
	"homellm/engine/text"
)

// playContext follows the documents through a conversation and reports impossible steps: a document is removed that
// is not in context, a question is asked about nothing.
func (d *decoder) playContext(c *Conversation, steps []decodedStep) {
	x := contextCheck{decoder: d, history: c.Begin(), steps: steps, out: map[string]string{}, later: map[string]string{},
		dropped: map[string]string{}}
	x.history.Retrieve = undecided
	x.begun = len(x.history.questions()) > 0
	for _, s := range slices.Backward(steps) {
		for _, r := range s.effect.brings() {
			x.later[r.name] = s.step.ID
		}
	}
	if len(c.Tools) > 0 && c.History == Recorded {
		d.checkRounds(c, steps)
	}
	for i := range steps {
		x.at = i
		x.unclear = x.unclear || steps[i].effect.unclear
		x.documents(&steps[i])
		x.rewrite(&steps[i])
		x.turns(&steps[i])
		d.checkReply(c, steps[i])
	}
	if s := x.unsent; s != nil && s.effect.retrieves != nil {
		d.errorKey(s.node, s.step.Action, "links/unsent", "ask something after it",
			"nothing is sent after this step: what it finds, and how long it takes, is recorded with the request after it")
	} else if s != nil {
		d.warnKey(s.node, s.step.Action, "links/unsent", "ask something after it, or set prefill: true",
			"nothing is sent after this step, so its documents are never seen")
	}
}

// contextCheck is the state of a conversation's context at one of its steps.
type contextCheck struct {
	*decoder
	in      []string          // documents in context
	out     map[string]string // removed documents, with the step
	later   map[string]string // documents that steps inject, with the first such step
	unclear bool              // an injection could not be read, so the context may hold anything
	history *History
	steps   []decodedStep
	at      int               // index of the step
	dropped map[string]string // steps whose questions are no longer in context, with the step that dropped them
	sent    int               // number of turns
	begun   bool              // the given history contains a question
	unsent  *decodedStep      // the last step whose injection is not sent yet
}

// documents applies a step to the documents in context.
func (x *contextCheck) documents(s *decodedStep) {
	for _, r := range s.effect.injects {
		if slices.Contains(x.in, r.name) {
			x.errorf(r.node, "links/document", "remove it first, or declare another document",
				"document %q is already in context", r.name)
			continue
		}
		x.in = append(x.in, r.name)
		delete(x.out, r.name)
	}
	if r := s.effect.retrieves; r != nil {
		if !slices.Contains(x.in, r.name) {
			x.in = append(x.in, r.name)
		}
		delete(x.out, r.name)
	}
	for _, r := range slices.Concat(s.effect.removes, s.effect.reads) {
		if !slices.Contains(x.in, r.name) && !x.unclear {
			x.errorf(r.node, "links/document", x.whereItIs(r.name), "document %q is not in context here", r.name)
		}
	}
	for _, r := range s.effect.removes {
		if at := slices.Index(x.in, r.name); at >= 0 {
			x.in = slices.Delete(x.in, at, at+1)
			x.out[r.name] = s.step.ID
		}
	}
	if s.effect.needsDocument && len(x.in) == 0 && !x.unclear {
		x.errorKey(s.node, s.step.Action, "links/context", "inject a document in an earlier step, or use ask",
			"no document is in context here")
	}
}

// brings lists what a step puts into the context: documents, or a corpus of which some chunks come.
func (e effect) brings() []reference {
	if e.retrieves != nil {
		return []reference{*e.retrieves}
	}
	return e.injects
}

// whereItIs says where a document is that is not in context.
func (x *contextCheck) whereItIs(document string) string {
	switch {
	case x.out[document] != "":
		return fmt.Sprintf("step %q removed it", x.out[document])
	case x.later[document] != "":
		return fmt.Sprintf("step %q injects it, which comes later", x.later[document])
	}
	return "inject it in an earlier step"
}

// rewrite plays a step. If the step drops messages, it determines what is still in context.
func (x *contextCheck) rewrite(s *decodedStep) {
	if s.step.Do == nil || s.effect.unread {
		return
	}
	if e := s.effect.edits; e != nil && x.history.asked(e.name) < 0 {
		x.errorf(e.node, "links/step", x.whereAsked(e.name, s.step.ID), "no question of step %q is in context here",
			e.name)
		return
	}
	if c, ok := s.step.Do.(Compact); ok && s.effect.compacts != nil {
		n := len(x.history.questions())
		switch {
		case n == 0:
			x.errorKey(s.node, s.step.Action, "links/context", "compact after a question",
				"there is nothing to sum up: no user message is in context")
			return
		case c.Keep >= n:
			x.errorf(s.effect.compacts, "links/step", "keep fewer",
				"keep_last %d leaves nothing to sum up: the context has %s", c.Keep,
				text.Plural(n, "user message"))
			return
		}
	}
	before := x.history.askers()
	err := s.step.Play(x.history, func(t Turn) (Reply, error) { return t.Recorded(), nil })
	if err != nil || !s.effect.rewrites {
		return
	}
	x.in = x.history.inContext()
	for _, id := range before {
		if x.history.asked(id) < 0 {
			x.dropped[id] = s.step.ID
		}
	}
}

// whereAsked explains why no question of a step is in context.
func (x *contextCheck) whereAsked(step, here string) string {
	var names []string
	for i, s := range x.steps {
		e := s.effect
		asks := s.turns() > 0 && len(e.injects) == 0 && e.edits == nil && e.compacts == nil
		switch id := s.step.ID; {
		case id == step && id != here && e.edits != nil:
			return fmt.Sprintf("step %q replaced the question of step %q: edit that one again", id, e.edits.name)
		case id == step && !asks:
			return fmt.Sprintf("step %q asks nothing that could be edited", id)
		case id == step && x.dropped[id] != "":
			return fmt.Sprintf("step %q dropped it", x.dropped[id])
		case id == step && i > x.at:
			return fmt.Sprintf("step %q comes later", id)
		case id == step:
			return fmt.Sprintf("what step %q asked is no longer in context", id)
		case asks:
			names = append(names, id)
		}
	}
	if n := x.declared["step"][step]; n != nil {
		return fmt.Sprintf("step %q is in another conversation, on line %d", step, n.Line)
	}
	return syntax.SuggestOr(step, names, "steps that ask something")
}

// turns checks what a step sends.
func (x *contextCheck) turns(s *decodedStep) {
	if s.effect.needsTurn && x.sent == 0 && !x.begun {
		x.errorKey(s.node, s.step.Action, "links/context", "use ask or query for the first turn",
			"there is no earlier turn to continue")
	}
	switch {
	case len(s.effect.brings()) > 0:
		if s.turns() == 0 {
			x.unsent = s
		}
	case s.turns() > 0:
		x.sent += s.turns()
		x.unsent = nil
	}
}

// checkReply checks the replies of a step against the history mode of its conversation.
func (d *decoder) checkReply(c *Conversation, s decodedStep) {
	if s.step.Do == nil {
		return
	}
	turns := s.turns()
	if len(s.effect.injects) > 0 {
		turns = 0 // the reply to a prefill is not kept
	}
	switch {
	case s.reply != nil && d.reported(s.reply):
	case turns == 0 && s.reply != nil:
		d.errorf(s.reply, "links/reply", "remove it", "step %q has no turn whose reply is kept", s.step.ID)
	case c.History != Recorded && s.reply != nil && s.varies:
		// the reply is for runs whose history is recorded
	case c.History != Recorded && s.reply != nil:
		d.warnf(s.reply, "links/reply", "set history: recorded, or remove it",
			"with history: %s the reply of the server is kept and this one is not used", c.History)
	case c.History == Recorded && turns > 0 && s.reply == nil:
		d.errorKey(s.node, "id", "links/reply", "add reply: with what the assistant is to have said",
			"with history: recorded, step %q needs a reply", s.step.ID)
	case s.rounds != nil:
		// what its replies call decides how many there are
	case c.History == Recorded && turns > 0 && len(s.replies) != turns:
		d.errorf(s.reply, "links/reply", "give one reply for each turn", "step %q has %s, and reply has %d", s.step.ID,
			text.Plural(turns, "turn"), len(s.replies))
	}
}

// linkScenario reports unused declarations, and requests that leave their sampling to the server.
func (d *decoder) linkScenario(s *Scenario, root *syntax.Node, checks []pending) {
	d.checkSampling(s, root)
	if d.broken {
		return // what uses them may be in the unreadable parts
	}
	for _, doc := range s.Documents {
		if n := d.declared["document"][doc.ID]; n != nil && !d.used[doc.ID] {
			d.warnf(n, "links/unused", "inject it, or remove it", "document %q is not used", doc.ID)
		}
	}
	for _, c := range s.Corpora {
		if n := d.declared["document"][c.ID]; n != nil && !d.used[c.ID] {
			d.warnf(n, "links/unused", "retrieve from it, or remove it", "corpus %q is not used", c.ID)
		}
	}
	named := func(group, name string) bool {
		word := regexp.MustCompile(`\b` + group + `\.` + regexp.QuoteMeta(name) + `\b`)
		return slices.ContainsFunc(checks, func(p pending) bool { return word.MatchString(p.assertion.That) })
	}
	if vars := root.Get("vars"); vars != nil {
		for _, e := range vars.Entries {
			if !d.usedVars[e.Key] && !named("vars", e.Key) {
				d.warnf(e.At(), "links/unused", "use it as ${vars."+e.Key+"} or, in an expression, as vars."+e.Key,
					"variable %q is not used", e.Key)
			}
		}
	}
	if matrix := root.Get("matrix"); matrix != nil {
		for _, e := range matrix.Entries {
			if slices.Contains([]string{"server", "model", BoxAxis, "include", "exclude"}, e.Key) || d.usedAxes[e.Key] ||
				named("matrix", e.Key) {
				continue
			}
			d.warnf(e.At(), "links/unused", "use it as ${matrix."+e.Key+"}", "axis %q is not used: its cells do not differ",
				e.Key)
		}
	}
}

// checkSampling warns of requests whose sampling the server decides: engines differ, and some use the settings that
// the model's makers recommend.
func (d *decoder) checkSampling(s *Scenario, root *syntax.Node) {
	var unset, unseeded []string
	for i, c := range s.Conversations {
		if s.Again(i) {
			continue
		}
		for _, step := range c.Steps {
			switch r := step.Request; {
			case step.ID == "" || step.Do == nil || step.Do.Turns() == 0:
			case r.Temperature == nil:
				unset = append(unset, step.ID)
			case *r.Temperature > 0 && r.Seed == nil:
				unseeded = append(unseeded, step.ID)
			}
		}
	}
	at := firstKey(root)
	for _, key := range []string{"conversations", "defaults"} {
		if e := root.Find(key); e != nil {
			at = e.At()
		}
	}
	if len(unset) > 0 {
		d.warnf(at, "links/sampling", "set defaults.request.temperature, 0 for comparable runs",
			"no temperature is set for %s: each server uses its own", someOf("step", unset))
	}
	if len(unseeded) > 0 {
		d.warnf(at, "links/sampling", "set defaults.request.seed, or temperature: 0",
			"no seed is set for %s: repeats draw different replies", someOf("step", unseeded))
	}
}

// someOf names a few of several things: step "a", "b" and 3 more.
func someOf(noun string, names []string) string {
	quoted := make([]string, 0, 3)
	for _, n := range names[:min(len(names), 3)] {
		quoted = append(quoted, fmt.Sprintf("%q", n))
	}
	text := strings.Join(quoted, ", ")
	if rest := len(names) - len(quoted); rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	if len(names) > 1 {
		noun += "s"
	}
	return noun + " " + text
}

// linkLibrary reports servers and models that a scenario names and the library does not have.
func linkLibrary(t *tree, lib *Library) syntax.Diagnostics {
	d := &decoder{src: t.src}
	if lib == nil || t.kind != "scenario" {
		return nil
	}
	matrix := d.get(t.root, "matrix")
	check := func(axis string, n *syntax.Node) {
		switch {
		case n == nil || n.Kind != syntax.StringKind:
		case axis == "server":
			d.serverName(n, lib)
		case axis == "model" && lib.Model(n.Text()) == nil:
			d.errorf(n, "links/model", cmp.Or(lib.SuggestModel(n.Text()),
				syntax.SuggestOr(n.Text(), lib.modelNames(), "models")), "model %q is in no models file",
				n.Text())
		}
	}
	for _, axis := range []string{"server", "model"} {
		for _, n := range d.list(matrix, axis) {
			check(axis, n)
		}
		for _, key := range []string{"include", "exclude"} {
			for _, combination := range d.list(matrix, key) {
				check(axis, d.get(combination, axis))
			}
		}
	}
	return d.diags
}

func (d *decoder) serverName(n *syntax.Node, lib *Library) {
	s := lib.Server(n.Text())
	switch {
	case s == nil:
		d.errorf(n, "links/server", syntax.SuggestOr(n.Text(), lib.serverNames(), "servers"),
			"server %q is in no servers file", n.Text())
	case s.Abstract:
		d.errorf(n, "links/server", "name a profile that extends it",
			"server %q is abstract: it is only there to be extended", n.Text())
	}
}
