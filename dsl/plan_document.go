package dsl

import (
	"cmp"

	"homellm/dsl/figure"
)

// PlanDocument is a plan in the form of `plan --format json`. A null key has its reason in Unknown.
type PlanDocument struct {
	Schema       string            `json:"schema"`
	Name         string            `json:"name"`
	Description  string            `json:"description,omitempty"`
	File         string            `json:"file"`
	SHA256       string            `json:"sha256"`
	Digest       string            `json:"digest"`
	Order        Order             `json:"order"`
	Repeats      int               `json:"repeats"`
	Warmup       int               `json:"warmup"`
	Requests     int               `json:"requests"`
	PromptTokens int               `json:"prompt_tokens"`
	ReplyTokens  int               `json:"max_reply_tokens"`
	Exact        bool              `json:"exact"`
	Cells        []planCell        `json:"cells"`
	Warnings     []planWarning     `json:"warnings"`
	LeftOut      []LeftOutDocument `json:"left_out"`
	Resolved     []resolved        `json:"resolved,omitempty"`
}

type planCell struct {
	ID         string          `json:"id"`
	Labels     []Label         `json:"labels"`
	Skip       string          `json:"skip,omitempty"`
	Turns      []planTurn      `json:"turns"`
	Assertions []planAssertion `json:"assertions"`
}

type planTurn struct {
	Conversation string            `json:"conversation"`
	Step         string            `json:"step"`
	Turn         int               `json:"turn"`
	Phase        figure.Phase      `json:"phase"`
	PromptTokens int               `json:"prompt_tokens"`
	ReplyTokens  int               `json:"max_reply_tokens"`
	Exact        bool              `json:"exact"`
	Reusable     int               `json:"reusable_tokens"`
	Ceiling      *float64          `json:"cache_ceiling"`
	Unknown      map[string]string `json:"unknown"`
}

type planAssertion struct {
	Name         string       `json:"name"`
	That         string       `json:"that"`
	Scope        figure.Scope `json:"scope"`
	Conversation string       `json:"conversation,omitempty"`
	Step         string       `json:"step,omitempty"`
	Severity     string       `json:"severity"`
	OnUnknown    string       `json:"on_unknown"`
	Reads        []string     `json:"reads"`
	SelfTest     []string     `json:"decided_by_self_test,omitempty"`
	File         string       `json:"file"`
	Line         int          `json:"line"`
	Column       int          `json:"column"`
}

type planWarning struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// LeftOutDocument is an excluded conversation in documents.
type LeftOutDocument struct {
	Scenario     string            `json:"scenario"`
	Conversation string            `json:"conversation"`
	Cell         string            `json:"cell,omitempty"`
	Reason       string            `json:"reason"`
	Turns        *int              `json:"turns"`
	Tokens       *int              `json:"tokens"`
	Unknown      map[string]string `json:"unknown"`
}

// Document returns the form of l in documents.
func (l LeftOut) Document() LeftOutDocument {
	out := LeftOutDocument{Scenario: l.Scenario, Conversation: l.Conversation.ID, Cell: l.Cell, Reason: l.Reason,
		Unknown: map[string]string{}}
	const unread = "it was left out before its size was found"
	if out.Turns = unlessNone(l.Turns); out.Turns == nil {
		out.Unknown["turns"] = unread
	}
	if out.Tokens = unlessNone(l.Tokens); out.Tokens == nil {
		out.Unknown["tokens"] = unread
	}
	return out
}

func unlessNone(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// Document returns the plan as a document, with the conversations that options exclude, and with every default filled
// in if requested.
func (p *Plan) Document(out []LeftOut, resolve bool) PlanDocument {
	prompt, reply := p.tokens()
	d := PlanDocument{
		Schema: "homellm.plan/v1", Name: p.Name, Description: p.Description, File: p.File, SHA256: p.SHA256, Digest: p.Digest,
		Order: p.Order, Repeats: p.Repeats, Warmup: p.Warmup, Requests: p.requests(),
		PromptTokens: prompt, ReplyTokens: reply,
		Exact: p.exact(), Cells: []planCell{}, Warnings: []planWarning{}, LeftOut: []LeftOutDocument{},
	}
	for _, c := range p.Cells {
		d.Cells = append(d.Cells, c.document())
	}
	for _, w := range p.Warnings {
		d.Warnings = append(d.Warnings, planWarning{w.Pos.Line, w.Pos.Col, w.Code, w.Message})
	}
	for _, l := range out {
		if l.Scenario == p.Name {
			d.LeftOut = append(d.LeftOut, l.Document())
		}
	}
	if resolve {
		d.Resolved = p.resolved()
	}
	return d
}

func (c *Cell) document() planCell {
	out := planCell{ID: c.ID, Labels: append([]Label{}, c.Labels...), Skip: c.Skip, Turns: []planTurn{},
		Assertions: []planAssertion{}}
	for _, t := range c.Turns {
		one := planTurn{t.Conversation, t.Step, t.Turn, t.Phase, t.PromptTokens, t.ReplyTokens, t.Exact, t.Reusable, nil,
			map[string]string{}}
		switch {
		case t.Known:
			one.Ceiling = &t.Ceiling
		case t.Images > 0:
			one.Unknown["cache_ceiling"] = "the prompt shows images, and only the server knows how many tokens they are"
			one.Unknown["prompt_tokens"] = "the count is of the text: " + one.Unknown["cache_ceiling"]
		default:
			one.Unknown["cache_ceiling"] = cmp.Or(c.rewrites, "the chat template may rewrite what it has rendered before")
		}
		out.Turns = append(out.Turns, one)
	}
	for _, f := range c.forecasts {
		a := f.Assertion
		out.Assertions = append(out.Assertions, planAssertion{
			a.Name, a.That, a.Scope, f.Conversation, f.Step, a.Severity, a.OnUnknown, a.Paths(), f.SelfTest,
			a.Pos.File, a.Pos.Line, a.Pos.Col,
		})
	}
	return out
}
