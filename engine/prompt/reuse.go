package prompt

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/dsl/ceiling"
	"homellm/engine/event"
	"homellm/engine/tokens"
)

// prefixes knows every token sequence that a server has seen under one salt, and from them the
// ceiling of any prefix cache for the next prompt. Without a tokeniser it compares the rendered
// texts and scales by homellm's own count of both, which it says.
type prefixes struct {
	tokenize tokenize         // nil: the server has no tokeniser
	local    local            // used if tokenize is nil
	block    int              // tokens in one block of the cache
	lead     int              // tokens at the beginning of every prompt under any salt
	heads    map[string][]int // first tokens of prompts under other salts, which may begin with the same characters
	seen     ceiling.Seen[int]
	texts    ceiling.Seen[byte]
	thoughts string // field in which the thoughts of a reply go back; empty: they do not
	lost     string // why a prompt that the server has seen is not among them
}

// Ceiling is what any prefix cache could serve of one prompt.
type Ceiling struct {
	tokens *int
	share  *float64 // of the prompt, when tokens are not known
	source string   // tokens | estimated
	why    string
	prompt []int
	// of the prompt, as the model's template renders it; empty where there are tokens, or no template
	text     string
	estimate *event.Estimate // nil: characters were compared
	first    bool            // of the prompts under its salt, and nothing but that is known of it
}

// Ceiling finds what any prefix cache could serve of a request that is about to be sent.
func (m *Maker) Ceiling(ctx context.Context, r Request) Ceiling {
	known := m.known[m.salt]
	if known == nil {
		known = &prefixes{block: m.server.Block}
		m.known[m.salt] = known
	}
	known.tokenize, known.local, known.thoughts = r.tokenize, m.local(r), r.thoughts
	m.findLead(ctx, r)
	if m.inMessage() {
		known.lead, known.heads = m.lead, m.heads
	}
	if r.images > 0 {
		return Ceiling{source: "estimated", why: unknownImages}
	}
	out := known.before(ctx, r.messages)
	if m.cell.Scenario.Raced() {
		out.tokens, out.share, out.estimate, out.why = nil, nil, nil, cmp.Or(out.why, dsl.Race)
	}
	return out
}

// unknownImages is why the ceiling of a prompt with images is unknown.
const unknownImages = "the prompt shows images, and only the server knows how many tokens they are"

// Remember takes in what the exchange of a request may have left in the server's cache.
func (m *Maker) Remember(ctx context.Context, r Request, found Ceiling, e *event.Exchange) {
	if r.images > 0 { // the tokens that the server cached are unknown, and so are the ceilings of later prompts
		m.known[m.salt].lost = "an earlier prompt of the same cache shows images, and only the server knows their tokens"
		return
	}
	known := m.known[m.salt]
	known.tokenize, known.local, known.thoughts = r.tokenize, m.local(r), r.thoughts // not those of a request since
	known.remember(ctx, found, r.messages, e)
	if m.inMessage() && m.heads[m.salt] == nil && found.prompt != nil && taken(e) {
		m.heads[m.salt] = slices.Clone(found.prompt[:min(len(found.prompt), 2*saltLead)])
	}
}

// taken reports whether a server may have computed the prompt of an exchange.
func taken(e *event.Exchange) bool { return e.Err == nil || e.Sent != nil && e.Status < 300 }

// Tell puts the ceiling of a request beside its reply. A share of the prompt becomes tokens by the count that the
// reply reports, and a count that differs from the reply's makes the ceiling unknown.
func (m *Maker) Tell(ctx context.Context, of Request, c *Ceiling, r *event.Request) {
	n := r.Usage.Prompt
	if n != nil && c.prompt != nil && len(c.prompt) != *n && of.grown.grows(len(of.messages)) {
		of.grown.end() // its tokens may have been put together wrongly
		*c = m.Ceiling(ctx, of)
	}
	r.Reusable, r.ReusableSource, r.ReusableWhy, r.Estimate = c.tokens, c.source, c.why, c.estimate
	if said := r.Usage.Cached; c.first && m.inMessage() && said != nil && *said <= saltLead {
		m.lead = max(m.lead, *said) // a new salt: cached tokens of the prompt come before it
	}
	switch {
	case c.share != nil && n != nil:
		common := int(*c.share * float64(*n))
		if m.inMessage() {
			common = max(common, m.lead)
		}
		r.Reusable = new(ceiling.Tokens(common, *n, m.server.Block))
	case c.share != nil:
		r.ReusableWhy = "no tokeniser, and the server did not report how many tokens the prompt has"
	}
	if c.prompt != nil && n != nil && len(c.prompt) != *n {
		r.Reusable, r.ReusableWhy = nil, fmt.Sprintf("the tokeniser counts %d prompt tokens, the reply says %d",
			len(c.prompt), *n)
	}
}

// local renders and counts a prompt for a server that does not tokenise. The zero value compares the characters of the
// messages.
type local struct {
	render func([]dsl.Message) (prompt string, ok bool) // as the model's template does
	count  func(prompt string) (tokens.Count, error)
}

func (l local) text(messages []dsl.Message) (text string, own bool) {
	if l.render != nil {
		if text, ok := l.render(messages); ok {
			return text, true
		}
	}
	return render(messages), false
}

// shared finds which share of a text its first bytes are.
func (l local) shared(text string, bytes int) (share float64, e *event.Estimate) {
	share = float64(bytes) / float64(len(text))
	if l.count == nil {
		return share, nil
	}
	whole, err := l.count(text)
	if err != nil || whole.Tokens == 0 {
		return share, nil
	}
	head, err := l.count(text[:bytes])
	if err != nil {
		return share, nil
	}
	n := min(head.Tokens, whole.Tokens)
	return float64(n) / float64(whole.Tokens), &event.Estimate{Prompt: whole.Tokens, Shared: n, Spread: whole.Spread,
		Source: whole.Source}
}

// Estimate is homellm's own count of a request's prompt; nil where the server tokenises, or nothing can be counted.
func (m *Maker) Estimate(r Request) *event.Estimate {
	if r.tokenize != nil || r.images > 0 {
		return nil
	}
	l := m.local(r)
	text, _ := l.text(r.messages)
	if text == "" {
		return nil
	}
	_, estimate := l.shared(text, 0)
	return estimate
}

// before finds the ceiling of a prompt that is about to be sent.
func (p *prefixes) before(ctx context.Context, messages []dsl.Message) Ceiling {
	if p.tokenize == nil {
		if p.lost != "" {
			return Ceiling{source: "estimated", why: p.lost}
		}
		text, own := p.local.text(messages)
		best := ceiling.LongestText(text, &p.texts)
		if len(text) == 0 {
			return Ceiling{source: "estimated", why: "empty prompt"}
		}
		share, estimate := p.local.shared(text, best)
		out := Ceiling{share: &share, source: "estimated", estimate: estimate, first: p.texts.Len() == 0}
		if own {
			out.text = text
		}
		return out
	}
	ids, err := p.tokenize(ctx, messages)
	if err != nil {
		return Ceiling{source: "tokens", why: "tokenising the prompt: " + err.Error()}
	}
	if p.lost != "" {
		return Ceiling{source: "tokens", why: p.lost, prompt: ids}
	}
	shared := max(p.seen.Longest(ids), p.lead)
	for _, head := range p.heads {
		shared = max(shared, ceiling.Common(ids, head))
	}
	n := ceiling.Tokens(shared, len(ids), p.block)
	return Ceiling{tokens: &n, source: "tokens", prompt: ids}
}

// mostRemembered is the size in bytes of the longest reply that is remembered: as tokens, each copy takes several times
// as much memory.
const mostRemembered = 1 << 20

// remember takes in what an exchange may have left in the server's cache. A request that failed after the server had
// taken it counts with its prompt: the ceiling must not lie below what the next prompt can find. If a reply has
// thoughts that do not go back to the server, only its prompt counts, because in the cache the answer follows thoughts
// that no later prompt repeats.
func (p *prefixes) remember(ctx context.Context, found Ceiling, messages []dsl.Message, e *event.Exchange) {
	if !taken(e) {
		return
	}
	if size := len(e.Text) + len(e.Reasoning) + len(e.Tools); size > mostRemembered && e.Err == nil {
		p.lost = fmt.Sprintf("an earlier reply has %d bytes, and what may be cached of one of more than %d is not followed",
			size, mostRemembered)
		return
	}
	if p.tokenize != nil && found.prompt == nil {
		p.lost = "an earlier prompt of the same cache could not be tokenised"
		return
	}
	reply, completion := dsl.Message{Role: "assistant", Content: e.Text, ToolCalls: e.Calls}, 0
	thought := e.Reasoning != "" || e.Usage.Reasoning != nil && *e.Usage.Reasoning > 0
	switch {
	case e.Err != nil, thought && (p.thoughts == "" || e.Reasoning == ""):
		reply = dsl.Message{}
	case thought:
		reply = reply.Think(p.thoughts, e.Reasoning)
	}
	switch {
	case e.Usage.Completion != nil:
		completion = *e.Usage.Completion
	case reply.Text() != "":
		completion = math.MaxInt32 // all of it may be kept
	}
	if found.text != "" { // the prompt ends where the reply began
		text := found.text + reply.Content
		if len(reply.ToolCalls) > 0 || reply.Thoughts() != "" { // the template renders them
			text, _ = p.local.text(append(slices.Clone(messages), reply))
		}
		p.texts.Add([]byte(text))
		return
	}
	p.after(ctx, found.prompt, messages, reply, completion)
}

// after remembers what the server has now: the prompt and what it generated, but for the last
// token, whose keys and values were never computed.
func (p *prefixes) after(ctx context.Context, prompt []int, messages []dsl.Message, reply dsl.Message,
	completion int) {
	if p.tokenize == nil {
		p.texts.Add([]byte(render(append(slices.Clone(messages), reply))))
		return
	}
	seen := prompt
	if reply.Text() != "" && completion > 1 {
		if ids, err := p.tokenize(ctx, messages, reply); err == nil && ceiling.Common(ids, prompt) == len(prompt) {
			seen = ids[:min(len(ids), len(prompt)+completion-1)]
		}
	}
	p.seen.Add(seen)
}

// render replaces a chat template where only shares of characters are needed.
func render(messages []dsl.Message) string {
	const marks = len("<||>\n\n")
	size := 0
	for _, m := range messages {
		size += len(m.Role) + len(m.Text()) + marks
	}
	var b strings.Builder
	b.Grow(size)
	for _, m := range messages {
		b.WriteString("<|")
		b.WriteString(m.Role)
		b.WriteString("|>\n")
		b.WriteString(m.Text())
		b.WriteString("\n")
	}
	return b.String()
}
