package model

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Message is one message of a conversation. Role is "system", "user" or "assistant".
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Spec is a chat template as data: either declarative or, where Jinja is set, the model's own.
type Spec struct {
	Like  string          `yaml:"like"`  // a template this one takes everything from that it does not set
	BOS   string          `yaml:"bos"`   // what opens every prompt; servers differ on who adds it, so it is kept apart
	EOS   string          `yaml:"eos"`   // eos_token of a Jinja template
	Roles map[string]Wrap `yaml:"roles"` // what stands around a message of each role

	DefaultSystem   *string        `yaml:"default_system"`    // opens conversations that do not open with a system message
	System          SystemHandling `yaml:"system"`            // what becomes of system messages; empty: inline
	Preamble        string         `yaml:"preamble"`          // before the text of a leading system message; {date} is the date
	Date            Date           `yaml:"date"`              // what {date} and strftime_now show
	Separator       string         `yaml:"separator"`         // between a system text and the user text it is put before
	SkipEmptySystem bool           `yaml:"skip_empty_system"` // an empty system message leaves no trace
	Alternate       bool           `yaml:"alternate"`         // user messages must stand at every other place, from the first
	Trim            []string       `yaml:"trim"`              // roles whose text loses surrounding white space
	Thinking        *Thinking      `yaml:"thinking"`          // nil: the template knows no reasoning

	GenerationPrompt   string   `yaml:"generation_prompt"`    // asks for the answer
	NoGenerationSuffix string   `yaml:"no_generation_suffix"` // closes a prompt that asks for none
	Stop               []string `yaml:"stop"`                 // texts that end an answer
	Special            []string `yaml:"special"`              // texts that are one token and mean something to the model

	Jinja string `yaml:"jinja"` // a chat_template; BOS, EOS, Date, Stop and Special apply, the rest does not
}

// Wrap is what stands before and after the text of a message.
type Wrap struct {
	Prefix string `yaml:"prefix"`
	Suffix string `yaml:"suffix"`
}

// SystemHandling is what a declarative template does with system messages.
type SystemHandling string

// The handlings found in the wild.
const (
	SystemInline    SystemHandling = "inline"     // a message like any other, wherever it stands
	SystemRefuse    SystemHandling = "refuse"     // a leading one is an error
	SystemFirstUser SystemHandling = "first_user" // a leading one is put before the first message
	SystemLastUser  SystemHandling = "last_user"  // a leading one is put before the last message if that is the user's
	SystemHoistLast SystemHandling = "hoist_last" // the last one, wherever it stands, opens the prompt; the others vanish
)

// Date says which date a template prints.
type Date struct {
	Format string `yaml:"format"` // as for strftime
	Fixed  string `yaml:"fixed"`  // printed unless a request sets a date; empty: today
}

// Thinking says what a template does with reasoning in the text of answers.
type Thinking struct {
	Open     string `yaml:"open"`      // before reasoning
	Close    string `yaml:"close"`     // after it
	Strip    string `yaml:"strip"`     // whose reasoning is left out: "answered" (before the last user message) or "all"
	ShowLast bool   `yaml:"show_last"` // an answer that ends the conversation gets a block even if it holds no reasoning
	None     string `yaml:"none"`      // after the generation prompt where thinking is switched off
}

//go:embed templates.yaml
var shipped []byte

// Templates holds chat templates by name.
type Templates map[string]*Template

// ShippedTemplates returns the templates that are part of the program.
func ShippedTemplates() (Templates, error) {
	t := Templates{}
	if err := t.Add(shipped); err != nil {
		return nil, fmt.Errorf("reading the shipped templates: %w", err)
	}
	return t, nil
}

// Add compiles the templates of a YAML (or JSON) mapping from names to [Spec] and adds them, in the
// file's order. `like` may name one that stands earlier. An entry replaces one of the same name.
func (t Templates) Add(data []byte) error {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return fmt.Errorf("parsing templates: %w", err)
	}
	if len(file.Docs) != 1 {
		return fmt.Errorf("parsing templates: %d YAML documents, want one", len(file.Docs))
	}
	body, ok := file.Docs[0].Body.(ast.MapNode)
	if !ok {
		return errors.New("parsing templates: want a mapping from names to templates")
	}
	for it := body.MapRange(); it.Next(); {
		name, value := it.Key().GetToken().Value, it.Value() // without the quotes of JSON
		spec, err := t.decode(value)
		if err != nil {
			return fmt.Errorf("template %s: %w", name, err)
		}
		compiled, err := Compile(name, spec)
		if err != nil {
			return err
		}
		t[name] = compiled
	}
	return nil
}

func (t Templates) decode(node ast.Node) (Spec, error) {
	var own Spec
	if err := yaml.NodeToValue(node, &own, yaml.Strict()); err != nil {
		return Spec{}, fmt.Errorf("decoding: %w", err)
	}
	if own.Like == "" {
		return own, nil
	}
	parent, ok := t[own.Like]
	if !ok {
		return Spec{}, fmt.Errorf("like: there is no template %q (known: %s)", own.Like, strings.Join(t.Names(), ", "))
	}
	merged := parent.spec
	merged.Roles = maps.Clone(merged.Roles)
	merged.Date = Date{} // a date is taken whole, or not at all
	if own.Date == (Date{}) {
		own.Date = parent.spec.Date
	}
	if err := yaml.NodeToValue(node, &merged, yaml.Strict()); err != nil {
		return Spec{}, fmt.Errorf("decoding: %w", err)
	}
	merged.Date = own.Date
	return merged, nil
}

// Names lists the templates in alphabetical order.
func (t Templates) Names() []string { return slices.Sorted(maps.Keys(t)) }

// Template renders conversations. It is safe for concurrent use.
type Template struct {
	name   string
	spec   Spec
	render renderer

	specials []string // longest first
	firsts   string   // the characters they begin with

	// What the template takes as it is; found by trying.
	takesSystem, takesLaterSystem, takesTwoUsers bool
	dropsThought                                 bool // of answers that a question follows
}

// renderer makes the prompt of at least one message. Its errors are refusals, or mistakes in a template
// that not every conversation meets.
type renderer func([]Message, Options) (Prompt, error)

// Options choose among what a template can do. The zero value asks for an answer, with today's
// date where the template prints one.
type Options struct {
	Closed    bool            // no answer is asked for: the conversation is rendered as it stands
	NoThink   bool            // thinking switched off, where the template knows it (enable_thinking=false)
	Placement SystemPlacement // what becomes of system messages that do not lead
	Now       time.Time       // the date of templates that print one; zero: their fixed one, else today
	Vars      map[string]any  // further variables of a Jinja template (chat_template_kwargs)
}

// Prompt is a rendered conversation. BOS is apart since some servers add it themselves.
type Prompt struct {
	BOS  string
	Text string
}

// String is the whole prompt.
func (p Prompt) String() string { return p.BOS + p.Text }

// Compile checks a template. Name is for messages.
func Compile(name string, spec Spec) (*Template, error) {
	if spec.System == "" {
		spec.System = SystemInline
	}
	t := &Template{name: name, spec: spec}
	t.specials, t.firsts = specialsOf(spec)
	if spec.Jinja != "" {
		render, err := compileJinja(name, spec)
		if err != nil {
			return nil, err
		}
		t.render = render
		if err := unusable(render); err != nil {
			return nil, err
		}
	} else {
		if err := spec.check(); err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		t.render = spec.render
	}
	t.try()
	return t, nil
}

// unusable finds what shows only when a template is rendered, such as a filter that there is not: it fails
// for every plain conversation then, and not by raising.
func unusable(render renderer) error {
	var first error
	for _, messages := range [][]Message{Probe()[1:2], Probe()[1:4], Probe()} {
		_, err := render(messages, Options{Now: probeTime})
		wrong, ok := errors.AsType[*SyntaxError](err)
		if !ok {
			return nil
		}
		if first == nil {
			first = wrong
		}
	}
	return first
}

// try finds out what the template takes, so that a placement changes nothing that needs no change.
func (t *Template) try() {
	takes := func(roles ...string) bool {
		messages := make([]Message, len(roles))
		for i, r := range roles {
			messages[i] = Message{Role: r, Content: "x"}
		}
		_, err := t.render(messages, Options{})
		return err == nil
	}
	t.takesSystem = takes("system", "user")
	t.takesLaterSystem = takes("user", "assistant", "system", "user")
	t.takesTwoUsers = takes("user", "user")
	thought := []Message{{"user", "x"}, {"assistant", "<think>\nwhy\n</think>\n\ny"}, {"user", "z"}}
	if p, err := t.render(thought, Options{}); err == nil {
		t.dropsThought = !strings.Contains(p.Text, "why")
	}
	if s := t.spec.System; t.spec.Jinja == "" {
		// A system text that moves is taken, but not where it stands.
		t.takesSystem = t.takesSystem && s != SystemLastUser
		t.takesLaterSystem = t.takesLaterSystem && s == SystemInline
		return
	}
	system := []Message{{"system", "x"}, {"user", "y"}, {"assistant", "z"}, {"user", "y"}}
	t.takesSystem = t.takesSystem && t.extends(system[:2], system)
	later := []Message{{"user", "y"}, {"assistant", "z"}, {"system", "x"}, {"user", "y"}}
	t.takesLaterSystem = t.takesLaterSystem && t.extends(later[:1], later)
}

func (t *Template) extends(short, long []Message) bool {
	a, err := t.render(short, Options{})
	if err != nil {
		return false
	}
	b, err := t.render(long, Options{})
	return err == nil && strings.HasPrefix(b.Text, strings.TrimRight(a.Text, " \n"))
}

// Name is the name the template was compiled under.
func (t *Template) Name() string { return t.name }

// Stop lists the texts that end an answer; a request to a completions endpoint has to carry them.
func (t *Template) Stop() []string { return slices.Clone(t.spec.Stop) }

// Render makes the prompt of a conversation. An error is a [*Refusal] if the template does not
// take the conversation; it names what can be done instead. It is a [*SyntaxError] if the template is
// wrong.
func (t *Template) Render(messages []Message, opt Options) (Prompt, error) {
	if len(messages) == 0 {
		return Prompt{}, &Refusal{Template: t.name, Message: -1, Why: "there is no message to render"}
	}
	p, err := t.render(t.place(messages, opt.Placement), opt)
	if err == nil {
		return p, nil
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		refusal.Template = t.name
		refusal.Try = t.alternative(messages, opt)
	}
	return Prompt{}, err
}

// alternative names a placement under which the conversation can be rendered.
func (t *Template) alternative(messages []Message, opt Options) string {
	for _, p := range []SystemPlacement{PlaceFirstUser, PlaceMerge} {
		if _, err := t.render(t.place(messages, p), opt); p != opt.Placement && err == nil {
			return fmt.Sprintf("system_placement: %s", p)
		}
	}
	return ""
}

// Refusal is an error: the template cannot take the conversation.
type Refusal struct {
	Template string
	Message  int    // index of the message it stumbled over; -1 if not known
	Why      string // the template's own words where it has any
	Try      string // a setting under which it works; empty if there is none
}

func (e *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "template %s", e.Template)
	if e.Message >= 0 {
		fmt.Fprintf(&b, ", message %d", e.Message+1)
	}
	fmt.Fprintf(&b, ": %s", e.Why)
	if e.Try != "" {
		fmt.Fprintf(&b, "; %q renders it", e.Try)
	}
	return b.String()
}
