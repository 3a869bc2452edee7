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
	DurationS    float64           `json:"duration_s,omitempty"`
	Requests     int               `json:"requests"`
	PromptTokens int               `json:"prompt_tokens"`
	ReplyTokens  int               `json:"max_reply_tokens"`
	Exact        bool              `json:"exact"`
	Cells        []planCell        `json:"cells"`
	Overall      []planOverall     `json:"overall,omitempty"`
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
	User         int               `json:"user,omitempty"`
	Conversation string            `json:"conversation"`
	Item         int               `json:"item,omitempty"`
	Step         string            `json:"step"`
	Turn         int               `json:"turn"`
	Phase        figure.Phase      `json:"phase"`
	PromptTokens int               `json:"prompt_tokens"`
	ReplyTokens  int               `json:"max_reply_tokens"`
	Exact        bool              `json:"exact"`
	Reusable     int               `json:"reusable_tokens"`
	Ceiling      *float64          `json:"cache_ceiling"`
	Least        *planLeast        `json:"least,omitempty"` // nil: nothing has been retrieved before it
	Unknown      map[string]string `json:"unknown"`
}

// planLeast is the lower end of figures that depend on what is retrieved.
type planLeast struct {
	PromptTokens int      `json:"prompt_tokens"`
	Reusable     int      `json:"reusable_tokens"`
	Ceiling      *float64 `json:"cache_ceiling"`
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

// planOverall is an assertion over all cells.
type planOverall struct {
	Name       string     `json:"name"`
	That       string     `json:"that"`
	Severity   string     `json:"severity"`
	OnUnknown  string     `json:"on_unknown"`
	Confidence *float64   `json:"confidence"` // null: values are compared as they are
	Reads      []string   `json:"reads"`
	Cases      []planCase `json:"cases"`
	File       string     `json:"file"`
	Line       int        `json:"line"`
	Column     int        `json:"column"`
}

// planCase is one combination for which an assertion over all cells is judged.
type planCase struct {
	Labels  []Label  `json:"labels"`
	Cells   []string `json:"cells"` // ids, in the order in which the assertion names them
	Missing string   `json:"missing,omitempty"`
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
		Order: p.Order, Repeats: p.Repeats, Warmup: p.Warmup, DurationS: p.Duration.Seconds(), Requests: p.requests(),
		PromptTokens: prompt, ReplyTokens: reply,
		Exact: p.exact(), Cells: []planCell{}, Warnings: []planWarning{}, LeftOut: []LeftOutDocument{},
	}
	for _, c := range p.Cells {
		d.Cells = append(d.Cells, c.document())
	}
	for _, o := range p.Overall {
		d.Overall = append(d.Overall, o.document())
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

func (o Overall) document() planOverall {
	a := o.Assertion
	out := planOverall{Name: a.Name, That: a.That, Severity: a.Severity, OnUnknown: a.OnUnknown, Reads: a.Paths(),
		File: a.Pos.File, Line: a.Pos.Line, Column: a.Pos.Col}
	if a.Confidence > 0 {
		out.Confidence = &a.Confidence
	}
	for _, c := range o.Cases {
		one := planCase{Labels: append([]Label{}, c.Labels...), Cells: []string{}, Missing: c.Missing}
		for _, ref := range a.Cells() {
			if cell := c.Cells[ref.Prefix]; cell != nil {
				one.Cells = append(one.Cells, cell.ID)
			}
		}
		out.Cases = append(out.Cases, one)
	}
	return out
}

func (c *Cell) document() planCell {
	out := planCell{ID: c.ID, Labels: append([]Label{}, c.Labels...), Skip: c.Skip, Turns: []planTurn{},
		Assertions: []planAssertion{}}
	for _, t := range c.Turns {
		one := planTurn{t.User, t.Conversation, t.Item, t.Step, t.Turn, t.Phase, t.PromptTokens, t.ReplyTokens, t.Exact,
			t.Reusable, nil, nil, map[string]string{}}
		if t.Retrieved {
			one.Least = &planLeast{PromptTokens: t.Least.PromptTokens, Reusable: t.Least.Reusable}
		}
		switch {
		case t.Known:
			one.Ceiling = &t.Ceiling
			if t.Retrieved {
				one.Least.Ceiling = &t.Least.Ceiling
			}
		case t.Images > 0:
			one.Unknown["cache_ceiling"] = "the prompt shows images, and only the server knows how many tokens they are"
			one.Unknown["prompt_tokens"] = "the count is of the text: " + one.Unknown["cache_ceiling"]
		case c.Scenario.Raced():
			one.Unknown["cache_ceiling"] = Race
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
