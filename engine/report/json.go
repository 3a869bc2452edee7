package report

import (
	"cmp"
	"io"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// resultSchema names the format of result.json. A version may get new fields; a field whose meaning changes, or that
// is removed, makes a new version.
const resultSchema = "homellm.result/v1"

type jsonResult struct {
	Schema     string          `json:"schema"`
	Run        jsonRun         `json:"run"`
	Host       map[string]any  `json:"host"`
	Cells      []jsonCell      `json:"cells"`
	Assertions []jsonAssertion `json:"assertions"`
	Notes      []jsonNote      `json:"notes"`
	Verdict    event.Outcome   `json:"verdict"`
	ExitCode   int             `json:"exit_code"`
	Reason     string          `json:"reason"`
	Findings   []jsonFinding   `json:"findings"` // all findings, most serious first
	Counts     map[string]int  `json:"counts"`

	Overview *jsonOverview `json:"overview,omitempty"` // of several cells
	LeftOut  *jsonLeftOut  `json:"left_out,omitempty"` // of many cells
}

type jsonRun struct {
	ID        string       `json:"id"`
	Started   string       `json:"started"`
	Homellm   string       `json:"homellm"`
	Digest    string       `json:"digest"`
	Simulated bool         `json:"simulated"` // at least one cell was simulated
	Scenario  jsonScenario `json:"scenario"`
	Options   []string     `json:"options"`
}

type jsonScenario struct {
	Name        string  `json:"name"`
	File        string  `json:"file"`
	SHA256      string  `json:"sha256"`
	Repeats     int     `json:"repeats"`
	Warmup      int     `json:"warmup"`
	Isolation   string  `json:"isolation"`
	Scope       string  `json:"scope"`
	ErrorBudget float64 `json:"error_budget"`

	Given     []jsonGiven `json:"given,omitempty"`
	DurationS float64     `json:"duration_s,omitempty"` // of each cell; omitted if it has repeats
}

// jsonGiven is the history that a conversation begins with.
type jsonGiven struct {
	Conversation string `json:"conversation"`
	From         string `json:"from"`
	Messages     int    `json:"messages"`
	Tokens       int    `json:"tokens,omitempty"`
}

type jsonCell struct {
	ID      string                `json:"id"`
	Labels  map[string]string     `json:"labels"`
	State   string                `json:"state"` // done | failed | skipped | cut_off
	Error   *string               `json:"error"`
	Server  *jsonServer           `json:"server"`
	Wire    *metrics.Wire         `json:"wire"` // how replies were framed; null if there were none
	Repeats []jsonRepeat          `json:"repeats"`
	Metrics map[string]jsonMetric `json:"metrics"`

	TokenEstimate *metrics.Estimate `json:"token_estimate,omitempty"` // omitted if the server's tokeniser counted
	SinceLast     *event.SinceLast  `json:"since_last,omitempty"`     // omitted if there is no earlier run
	SLO           []event.Objective `json:"slo,omitempty"`
}

type jsonServer struct {
	Name          string   `json:"name"`
	Engine        string   `json:"engine"`
	Version       string   `json:"version"`
	URL           string   `json:"url"`
	Model         string   `json:"model"`
	Quant         string   `json:"quant,omitempty"`
	ContextTokens *int     `json:"context_tokens"`
	Simulated     bool     `json:"simulated"`
	Simulation    string   `json:"simulation"`
	Capabilities  []string `json:"capabilities"`
	SaltMethod    string   `json:"salt_method"`
}

type jsonRepeat struct {
	N      int        `json:"n"`
	Warmup bool       `json:"warmup"`
	Turns  []jsonTurn `json:"turns"`
}

type jsonTurn struct {
	Play           int                 `json:"play,omitempty"`
	User           int                 `json:"user,omitempty"`
	Conversation   string              `json:"conversation"`
	Item           int                 `json:"item,omitempty"`
	Step           string              `json:"step"`
	Turn           int                 `json:"turn"`
	Action         string              `json:"action"`
	Phase          string              `json:"phase"`
	OK             bool                `json:"ok"`
	Error          *jsonError          `json:"error"`
	FinishReason   string              `json:"finish_reason"`
	DueMS          float64             `json:"due_ms"`
	DoneMS         float64             `json:"done_ms"`
	Metrics        map[string]*float64 `json:"metrics"`
	CacheSource    string              `json:"cache_source"`
	CacheAssumed   bool                `json:"cache_assumed"`
	ReusableSource string              `json:"reusable_source"`
	Text           string              `json:"text"`
	Images         []event.Image       `json:"images,omitempty"`
}

type jsonError struct {
	Class   string `json:"class"`
	Message string `json:"message"`
}

type jsonMetric struct {
	Unit   string   `json:"unit"`
	N      int      `json:"n"`
	NTurns int      `json:"n_turns"`
	NUnk   int      `json:"n_unknown"`
	Min    *float64 `json:"min"`
	Mean   *float64 `json:"mean"`
	Max    *float64 `json:"max"`
	Stddev *float64 `json:"stddev"`
	P50    *float64 `json:"p50"`
	P90    *float64 `json:"p90"`
	P95    *float64 `json:"p95"`
	P99    *float64 `json:"p99"`
	Why    string   `json:"why,omitempty"`
	// limits of the statistics that are null because some values are unknown
	Within map[string]event.Range `json:"within,omitempty"`
}

type jsonAssertion struct {
	Name         string                 `json:"name"`
	That         string                 `json:"that"`
	Scope        string                 `json:"scope"`
	Cell         string                 `json:"cell"`
	Conversation string                 `json:"conversation"`
	Step         string                 `json:"step"`
	Severity     event.Severity         `json:"severity"`
	OnUnknown    event.OnUnknown        `json:"on_unknown"`
	Verdict      event.Outcome          `json:"verdict"`
	Judged       string                 `json:"judged"` // meaning of the verdict for the run
	Why          string                 `json:"why"`
	Operands     map[string]jsonOperand `json:"operands"`
	Evaluated    int                    `json:"evaluated"`
	Passed       int                    `json:"passed"`
	Unknown      int                    `json:"unknown"`
	Unsupported  int                    `json:"unsupported,omitempty"`
	Items        []event.OfItem         `json:"items,omitempty"`
	PassRate     *jsonPassRate          `json:"pass_rate,omitempty"` // of a data set, or of one that only counts
	MinPassRate  float64                `json:"min_pass_rate"`
	Message      string                 `json:"message"`
	File         string                 `json:"file"`
	Line         int                    `json:"line"`
	Column       int                    `json:"column"`

	Labels   map[string]string `json:"labels,omitempty"`   // of a verdict over all cells: the combination it is for
	Interval *event.Interval   `json:"interval,omitempty"` // of one with a confidence
}

type jsonOperand struct {
	Value       any          `json:"value"`
	Unit        string       `json:"unit"`
	Source      string       `json:"source"`
	Why         string       `json:"why"`
	Range       *event.Range `json:"range,omitempty"`
	Beginning   *string      `json:"beginning,omitempty"`
	Unsupported bool         `json:"unsupported,omitempty"`
}

type jsonNote struct {
	Cell string `json:"cell"`
	Code string `json:"code"`
	Text string `json:"text"`
}

type jsonFinding struct {
	ExitCode int           `json:"exit_code"`
	Verdict  event.Outcome `json:"verdict"`
	Reason   string        `json:"reason"`
}

// result renders result.json. An unknown number is null.
func result(w io.Writer, r *metrics.Run, opt Options) error {
	s := r.Started.Scenario
	out := jsonResult{
		Schema: resultSchema,
		Run: jsonRun{
			ID: r.Started.ID, Started: r.Started.Started.UTC().Format(time.RFC3339), Homellm: r.Started.Homellm,
			Digest:    r.Started.Digest,
			Simulated: simulated(r) != "", Options: append([]string{}, r.Started.Options...),
			Scenario: jsonScenario{s.Name, s.File, s.SHA256, s.Repeats, s.Warmup, s.Isolation, s.Scope, s.ErrorBudget,
				givenJSON(s), s.Duration.Seconds()},
		},
		Host: r.Started.Host, Cells: []jsonCell{}, Assertions: []jsonAssertion{}, Notes: []jsonNote{},
		Counts: map[string]int{},
	}
	if out.Host == nil {
		out.Host = map[string]any{}
	}
	out.Verdict, out.ExitCode, out.Reason = r.Outcome()
	for _, f := range r.Findings() {
		out.Findings = append(out.Findings, jsonFinding{f.Code, f.Verdict, f.Reason})
	}
	for j := range labels {
		if n := r.Counts()[j]; n > 0 || j != metrics.Counted {
			out.Counts[string(j)] = n
		}
	}
	for _, n := range r.Notes {
		out.Notes = append(out.Notes, jsonNote{"", n.Code, n.Text})
	}
	out.Overview = overviewJSON(r)
	if len(r.Cells) > foldedResult {
		out.LeftOut = &jsonLeftOut{}
	}
	for _, c := range r.WithAllCells() {
		for _, n := range c.Notes {
			out.Notes = append(out.Notes, jsonNote{c.ID, n.Code, n.Text})
		}
		for _, v := range c.Verdicts {
			if c.ID == "" || !out.LeftOut.leave(v, len(out.Assertions)) {
				out.Assertions = append(out.Assertions, assertionJSON(c, v))
			}
		}
		if out.LeftOut != nil && c.ID != "" {
			out.LeftOut.leaveCell(r, c)
		}
	}
	far := progressOf(r, 2, opt)
	p := pieces{w: w}
	parts := map[string]func(string){}
	if len(r.Cells) > 0 {
		parts["cells"] = func(indent string) {
			for i, c := range r.Cells {
				if out.LeftOut == nil {
					p.cell(r, c, i, indent, far)
					continue
				}
				p.item(i, indent)
				p.put(p.text(foldedCell(c), indent))
				far.add(2 * len(c.Requests))
			}
		}
	}
	p.object(out, "", "\n", parts)
	return p.err
}

// givenJSON lists the histories that conversations begin with.
func givenJSON(s event.Scenario) []jsonGiven {
	var out []jsonGiven
	for _, c := range s.Conversations {
		if g := c.Given; g != nil {
			out = append(out, jsonGiven{c.ID, g.From, g.Messages, g.Tokens})
		}
	}
	return out
}

// cellJSON is a cell without its repeats and metrics.
func cellJSON(c *metrics.Cell) jsonCell {
	out := jsonCell{ID: c.ID, Labels: map[string]string{}, Repeats: []jsonRepeat{}, Metrics: map[string]jsonMetric{},
		SLO: c.Planned.SLO}
	for _, l := range c.Labels() {
		out.Labels[l.Name] = l.Value
	}
	switch {
	case c.Planned.Skip != "":
		out.State, out.Error = "skipped", &c.Planned.Skip
	case c.Failed != nil:
		out.State, out.Error = "failed", &c.Failed.Err
	case c.Done == nil:
		out.State = "cut_off"
	default:
		out.State = "done"
		if c.Done.Err != "" {
			out.Error = &c.Done.Err
		}
	}
	if c.Started != nil {
		s := c.Started.Server
		out.Server = &jsonServer{s.Profile, s.Engine, s.Version, s.URL, s.Model, s.Quant, s.ContextTokens, s.Simulated,
			s.Simulation,
			append([]string{}, s.Capabilities...), s.SaltMethod}
	}
	if w := c.Wire(); w.Turns > 0 {
		out.Wire = &w
	}
	out.TokenEstimate, out.SinceLast = c.Estimate(), c.Since
	return out
}

// foldedCell is a cell of many: the moves of its figures are left out too.
func foldedCell(c *metrics.Cell) jsonCell {
	out := cellJSON(c)
	if out.SinceLast != nil {
		short := *out.SinceLast
		short.Moves = []event.Move{}
		out.SinceLast = &short
	}
	return out
}

// jsonPassRate is how often an assertion held: a share of items or repeats, with its 95 % interval. It lies between two
// ends if evaluations could not be decided.
type jsonPassRate struct {
	N        int        `json:"n"`
	Value    [2]float64 `json:"value"`
	Interval [2]float64 `json:"interval"`
}

func passRateJSON(c *metrics.Cell, v event.Verdict) *jsonPassRate {
	s := metrics.ScoreOf(v, c.Planned.Users)
	if s.N == 0 || len(v.Items) == 0 && v.Severity != event.SeverityCount {
		return nil
	}
	low, high := s.Interval()
	n := float64(s.N)
	return &jsonPassRate{s.N, [2]float64{s.Low / n, s.High / n}, [2]float64{low, high}}
}

func turnJSON(c *metrics.Cell, q *event.Request) jsonTurn {
	out := jsonTurn{
		Play: q.Play, User: q.User, Conversation: q.Conversation, Item: q.Item, Step: q.Step, Turn: q.Turn, Action: q.Action,
		Phase: q.Phase,
		OK:    q.Err == nil, FinishReason: q.Finish, DueMS: 1000 * q.Due.Seconds(), DoneMS: 1000 * q.Done.Seconds(),
		Metrics:     map[string]*float64{},
		CacheSource: cmp.Or(q.CacheSource, "none"), CacheAssumed: q.CacheAssumed, ReusableSource: q.ReusableSource,
		Text: q.Text, Images: q.Images,
	}
	if q.Err != nil {
		out.Error = &jsonError{q.Err.Class, q.Err.Message}
	}
	for i := range metrics.Defs {
		if d := &metrics.Defs[i]; d.At(metrics.TurnLevel) && d.Numeric() {
			var v *float64
			if f, ok := d.Each(c, q).Number(); ok {
				v = &f
			}
			out.Metrics[d.Name] = v
		}
	}
	return out
}

func metricJSON(s summary) jsonMetric {
	dist := s.dist()
	value := func(statistic string) *float64 {
		v, why := dist.Sound(statistic)
		if why != "" {
			return nil
		}
		return &v
	}
	within := map[string]event.Range{}
	for _, stat := range metrics.Stats {
		if r, ok := dist.SoundWithin(stat.Name); ok {
			within[stat.Name] = r
		}
	}
	return jsonMetric{
		Within: within,
		Unit:   s.def.Unit, N: dist.Count(), NTurns: dist.Turns, NUnk: dist.Unknown, Why: dist.Why,
		Min: value("min"), Mean: value("mean"), Max: value("max"), Stddev: value("stddev"),
		P50: value("p50"), P90: value("p90"), P95: value("p95"), P99: value("p99"),
	}
}

func assertionJSON(c *metrics.Cell, v event.Verdict) jsonAssertion {
	out := jsonAssertion{
		Name: v.Name, That: v.That, Scope: v.Scope, Cell: c.ID, Conversation: v.Conversation, Step: v.Step,
		Severity: v.Severity, OnUnknown: v.OnUnknown, Verdict: v.Verdict, Judged: string(metrics.Judge(v)), Why: v.Why,
		Operands: map[string]jsonOperand{}, Evaluated: v.Evaluated, Passed: v.Passed, Unknown: v.Unknown,
		Unsupported: v.Unsupported, Items: v.Items, PassRate: passRateJSON(c, v), MinPassRate: v.MinPassRate,
		Message: v.Message, File: v.File, Line: v.Line, Column: v.Column,
	}
	for _, l := range v.Labels {
		if out.Labels == nil {
			out.Labels = map[string]string{}
		}
		out.Labels[l.Name] = l.Value
	}
	out.Interval = v.Interval
	for _, o := range v.Operands {
		out.Operands[o.Path] = jsonOperand{o.Value, o.Unit, o.Source, o.Why, o.Range, o.Beginning, o.Unsupported}
	}
	return out
}
