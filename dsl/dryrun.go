package dsl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"homellm/dsl/ceiling"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
)

// fit plays the conversations of a cell without a server, and says why the cell cannot be played; empty if it can.
func (p *planner) fit(c *Cell) {
	if c.Skip = p.unmet(c); c.Skip != "" {
		return
	}
	turns, err := p.walk(c)
	if err != nil {
		c.Skip = err.Error()
		return
	}
	c.Turns = turns
	stable := c.Model == nil || c.Model.PrefixStable || c.Model.Template == ""
	if c.examined {
		stable = c.rewrites == ""
	}
	for i := range c.Turns {
		c.Turns[i].Known = stable && !c.Turns[i].open && !c.Scenario.Raced() && c.Turns[i].Images == 0
	}
	if limit, by := p.limit(c); limit > 0 {
		if c.Skip = overflow(c.Turns, limit, by); c.Skip != "" {
			c.Skip += fitting(c, limit, by)
		}
	}
	p.declared(c)
	c.forecasts = p.forecast(c)
}

// walk plays every conversation and returns the requests of one measured repeat. What a retrieval brings is not known:
// the conversations are played with the least and the most that it may bring.
func (p *planner) walk(c *Cell) ([]PlannedTurn, error) {
	if !c.Scenario.Retrieves() {
		return p.walkWith(c, bringing{})
	}
	var out []PlannedTurn
	for _, b := range bringings {
		turns, err := p.walkWith(c, b)
		if err != nil {
			return nil, err
		}
		out = bothEnds(out, turns)
	}
	return out, nil
}

// walkWith plays every conversation, with what retrievals bring.
func (p *planner) walkWith(c *Cell, brings bringing) ([]PlannedTurn, error) {
	run := c.Scenario.Run
	passes := 1
	if run.shared() && run.Repeats+run.Warmup > 1 {
		passes = 2 // a later pass finds everything in the cache that the one before sent
	}
	var turns []PlannedTurn
	w := walker{planner: p, cell: c, brings: brings, seen: map[Part]*ceiling.Seen[byte]{}}
	for range passes {
		turns, w.sent = nil, 0
		lanes := c.Scenario.Lanes()
		err := run.Play.Take(len(lanes), func(i int, turn func() bool) error {
			for _, part := range lanes[i] {
				err := w.play(part, func(planned PlannedTurn) bool {
					turns = append(turns, planned)
					return turn()
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return turns, nil
}

// walker plays conversations with a cache that forgets nothing.
type walker struct {
	*planner
	cell *Cell
	seen map[Part]*ceiling.Seen[byte] // prompts with their replies, as the template renders them; see under
	sent int                          // requests of this pass

	brings   bringing
	searches int

	shown bool // an earlier prompt showed images
}

// errEnded ends a conversation that must have no further turn.
var errEnded = errors.New("the conversation was ended")

// under returns the prompts that the server has seen under the same isolation as those of a part.
func (w *walker) under(part Part) *ceiling.Seen[byte] {
	run := w.cell.Scenario.Run
	switch {
	case run.Cache == NotIsolated || run.Scope != OfUser && run.Scope != OfConversation:
		part = Part{}
	case run.Scope == OfConversation:
		return &ceiling.Seen[byte]{}
	default:
		part = Part{User: part.User}
	}
	if w.seen[part] == nil {
		w.seen[part] = &ceiling.Seen[byte]{}
	}
	return w.seen[part]
}

// play plays a part, and calls turn with each of its requests.
func (w *walker) play(part Part, turn func(PlannedTurn) bool) error {
	conversation, seen := part.Conversation, w.under(part)
	var last []Message // of the last prompt
	var answer Message
	h, retrieved := conversation.Begin(), false
	h.Retrieve = func(_ string, s Lookup) ([]*Document, error) {
		w.searches, retrieved = w.searches+1, true
		return w.bring(w.brings, w.cell.Model, w.searches, s), nil
	}
	removals := 0   // messages before the last planned turn
	chosen := false // the model has chosen how the conversation goes on
	for _, step := range conversation.Steps {
		if step.Do == nil {
			continue
		}
		err := step.Play(h, func(t Turn) (Reply, error) {
			limit := step.Request.MaxTokens
			if t.MaxTokens > 0 {
				limit = t.MaxTokens
			}
			w.sent++
			// The server has seen what it generated, even if the history keeps another text.
			generated := w.synthetic(w.cell.Model, int64(w.sent), limit)
			kept := t.standIn(generated)
			if own := t.Recorded(); conversation.History == Recorded && (own.Text != "" || own.Calls != nil) {
				kept = own
			}
			planned, err := w.turn(seen, t, step.Request.API, generated)
			if err != nil {
				return Reply{}, fmt.Errorf("step %s: %w", step.ID, err)
			}
			planned.User, planned.Conversation, planned.Step = part.User, conversation.ID, step.ID
			planned.Item = conversation.ItemN()
			planned.ReplyTokens, planned.KeptTokens = limit, limit
			planned.open, planned.chosen = chosen || w.shown, chosen
			planned.Retrieved, planned.Exact = retrieved, planned.Exact && !retrieved
			w.shown = w.shown || planned.Images > 0
			chosen = chosen || len(t.Tools) > 0 && conversation.History != Recorded
			planned.removed, removals = h.removals > removals, h.removals
			if conversation.History == Recorded {
				planned.KeptTokens = w.count(w.cell.Model, Message{Content: kept.Text, ToolCalls: kept.Calls}.Text()).tokens
			}
			last, answer = t.Messages, Message{Role: roleAssistant, Content: kept.Text, ToolCalls: kept.Calls}
			if !turn(planned) {
				return Reply{}, errEnded
			}
			return kept, nil
		})
		if err != nil {
			return err
		}
	}
	if last != nil {
		w.examine(conversation, append(slices.Clip(last), answer))
	}
	return nil
}

// turn counts one prompt, and how much of it was sent before.
func (w *walker) turn(seen *ceiling.Seen[byte], t Turn, api wire.API, reply string) (PlannedTurn, error) {
	m := w.cell.Model
	prompt, rendered, err := w.render(w.cell, api, t.Messages, t.Tools)
	if err != nil {
		return PlannedTurn{}, err
	}
	all := w.count(m, prompt)
	common := w.count(m, prompt[:ceiling.LongestText(prompt, seen)]).tokens
	seen.Add(append(append(make([]byte, 0, len(prompt)+len(reply)), prompt...), reply...))
	block := 1
	if w.cell.Server != nil {
		block = w.cell.Server.Capabilities.BlockTokens
		if s, ok := w.served(w.cell); ok && s.BlockTokens > 0 {
			block = s.BlockTokens
		}
	}
	reusable := ceiling.Tokens(common, all.tokens, block)
	out := PlannedTurn{
		Turn: t.N, Phase: t.Phase, PromptTokens: all.tokens, Reusable: reusable, Images: wire.Shown(t.Messages),
		seen: ceiling.Tokens(common, all.tokens, 1), block: block,
	}
	out.Exact = all.exact && rendered && out.Images == 0
	if all.tokens > 0 {
		out.Ceiling = float64(reusable) / float64(all.tokens)
	}
	return out, nil
}

// limit returns the context size of a cell, and its source; 0: unknown. Position scaling counts only if a server says
// that it serves the extended context.
func (p *planner) limit(c *Cell) (tokens int, by string) {
	served := 0
	if c.Server != nil {
		served = c.Server.ContextTokens
		if s, ok := p.served(c); ok && s.ContextTokens > 0 {
			served = s.ContextTokens
		}
	}
	if c.Model != nil {
		tokens = c.Model.Context.Trained
		if served > 0 {
			tokens = max(tokens, c.Model.Context.Extended)
		}
		by = "model " + c.Model.Name + " takes"
	}
	if served > 0 && (tokens == 0 || served < tokens) {
		tokens, by = served, "server "+c.Server.Name+" serves"
	}
	return p.override(tokens, by)
}

func (p *planner) override(tokens int, by string) (int, string) {
	if p.opt.ContextSize > 0 {
		return p.opt.ContextSize, "--context-size gives"
	}
	return tokens, by
}

func (p *planner) served(c *Cell) (Served, bool) {
	if p.opt.Served == nil || c.Server == nil {
		return Served{}, false
	}
	return p.opt.Served(c.Server.Name)
}

// overflow says for which turns a context is too small.
func overflow(turns []PlannedTurn, limit int, by string) string {
	for _, t := range turns {
		need := t.PromptTokens + t.ReplyTokens
		if t.ReplyTokens >= limit {
			return fmt.Sprintf("step %s asks for %s tokens of reply, and %s %s", t.Step, thousands(t.ReplyTokens), by,
				thousands(limit))
		}
		allowed, about := float64(limit), ""
		if !t.Exact {
			allowed, about = allowed*(1+estimateTolerance), "about "
		}
		if float64(need) > allowed {
			most, when, advice := "", "", ""
			if t.chosen {
				most, when = "up to ", " if the model calls tools as often as it may"
				advice = ": lower max_rounds, or play a recorded history"
			} else if t.Retrieved {
				most, when, advice = "up to ", " if the largest chunks are retrieved", ": lower top_k, or make the chunks smaller"
			}
			return fmt.Sprintf("step %s needs %s%s%s tokens (%s of prompt and %s of reply)%s, and %s %s%s", t.Step, most, about,
				thousands(need), thousands(t.PromptTokens), thousands(t.ReplyTokens), when, by, thousands(limit), advice)
		}
	}
	return ""
}

// fitting says how the conversations are played that fit a context which is too small for others; empty: none fits.
func fitting(c *Cell, limit int, by string) string {
	n, all := 0, len(c.Scenario.Conversations)
	for _, conversation := range c.Scenario.Conversations {
		if overflow(ofFirstUser(c.Turns, conversation.ID), limit, by) == "" {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; --context-size %d plays %d of the %d conversations, without those that do not fit", limit, n,
		all)
}

// unmet says which requirement of the scenario a cell does not meet.
func (p *planner) unmet(c *Cell) string {
	if p.opt.Box != nil {
		if name := c.Box(); name != "" && name != Here {
			return fmt.Sprintf("it is for box %s of a fleet, and this machine is in none", name)
		}
		if why := c.Scenario.Requires.Unmet(p.opt.Box); why != "" {
			return "this machine cannot play it: " + why
		}
	}
	if why := p.mismatch(c); why != "" {
		return why
	}
	if why := p.unasked(c); why != "" {
		return why
	}
	known, ok := p.served(c)
	for _, name := range c.Scenario.Requires.Capabilities {
		if slices.Contains(selfTested, name) {
			continue
		}
		has, looked := known.Capabilities[name]
		if !ok || !looked {
			i := slices.IndexFunc(abilities, func(a ability) bool { return a.name == name })
			if i < 0 || c.Server == nil {
				continue // only the machine can tell, as for gpu
			}
			has = abilities[i].of(c.Server.Capabilities)
		}
		if !has {
			return fmt.Sprintf("the scenario requires %s, and server %s does not have it", name, c.Server.Name)
		}
	}
	if why := p.imageless(c); why != "" {
		return why
	}
	if why := c.unretrieved(); why != "" {
		return why
	}
	need := c.Scenario.Requires.ContextTokens
	if limit, by := p.limit(c); limit > 0 && need > limit {
		return fmt.Sprintf("the scenario requires a context of %s tokens, and %s %s", thousands(need), by, thousands(limit))
	}
	return ""
}

// mismatch says why a server cannot serve a model. It is an error if the run names both.
func (p *planner) mismatch(c *Cell) string {
	if c.Server == nil || c.Model == nil {
		return ""
	}
	listed := len(c.Server.Models) == 0 || slices.ContainsFunc(c.Server.Models, func(name string) bool {
		return name == "any" || strings.EqualFold(name, c.Model.Name) || p.lib.Model(name) == c.Model
	})
	if !listed {
		why := fmt.Sprintf("server %s does not list model %s", c.Server.Name, c.Model.Name)
		if p.opt.Model != "" && slices.Contains(p.opt.Servers, c.Server.Name) {
			p.fail("plan/pair", fmt.Sprintf("it lists %s; add the model to its profile", strings.Join(c.Server.Models, ", ")),
				"%s", why)
		}
		return why
	}
	if c.Server.Launch != nil && c.Server.Attach == "" && c.Server.Launch.Needs("model.") != "" {
		if _, ok := c.Model.Engines[c.Server.Engine]; !ok {
			return fmt.Sprintf("model %s does not say what %s calls it", c.Model.Name, c.Server.Engine)
		}
	}
	return ""
}

// declared warns of conversations whose declared size is far from the planned one. With live history only the
// greatest size is planned, so a declaration can only be too small.
func (p *planner) declared(c *Cell) {
	const far = 0.25
	for i, conversation := range c.Scenario.Conversations {
		if conversation.Tokens == 0 || c.Scenario.Again(i) {
			continue
		}
		size := c.Size(conversation.ID)
		off := float64(size-conversation.Tokens) / float64(conversation.Tokens)
		if off < -far || off > far && conversation.History == Recorded {
			p.once(syntax.Diagnostic{
				Pos: conversation.Pos, Severity: syntax.Warning, Code: "plan/tokens",
				Message: fmt.Sprintf("conversation %q declares %s tokens, and about %s are planned", conversation.ID,
					thousands(conversation.Tokens), thousands(size)),
				Help: "correct `tokens:`, or the texts",
			})
		}
	}
}

// examine asks what the template of the cell's model does to a conversation: whether its turns extend each other, and
// whether its text contains special tokens.
func (w *walker) examine(conversation *Conversation, messages []Message) {
	if w.opt.Examine == nil || w.cell.Model == nil {
		return
	}
	x := w.opt.Examine(w.cell.Server, w.cell.Model, messages)
	w.cell.examined = w.cell.examined || x.Rendered
	w.cell.daily = w.cell.daily || x.Daily
	if w.cell.rewrites == "" && x.Rewrites != "" {
		w.cell.rewrites = fmt.Sprintf("conversation %s: %s", conversation.ID, x.Rewrites)
	}
	for _, s := range x.Suspects {
		role := messages[s.Message].Role
		at, what := conversation.Pos, fmt.Sprintf("a %s message of conversation %q", role, conversation.ID)
		if pos, ok := conversation.Given.says(messages[s.Message]); ok {
			at, what = pos, fmt.Sprintf("a %s message of the given history", role)
		} else if role == roleAssistant {
			continue // placeholders of replies are homellm's own text
		}
		if i := slices.IndexFunc(w.cell.Scenario.Documents,
			func(d *Document) bool { return strings.Contains(d.Text, s.Token) }); i >= 0 {
			d := w.cell.Scenario.Documents[i]
			at, what = d.Pos, fmt.Sprintf("document %q", d.ID)
		}
		w.once(syntax.Diagnostic{
			Pos: at, Severity: syntax.Warning, Code: "plan/special",
			Message: fmt.Sprintf("%s holds %q, which model %s reads as a special token: it can end the message and speak in "+
				"another role", what, s.Token, w.cell.Model.Name),
			Help: "take it out of the text, unless that is what is tested",
		})
	}
}
