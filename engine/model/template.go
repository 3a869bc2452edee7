package model

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"homellm/engine/tokens"
	"homellm/engine/wire"
)

// Message is one message of a conversation. Role is "system", "user" or "assistant".
type Message = wire.Message

// Spec is a chat template: Jinja, and what has to be known beside it.
type Spec struct {
	Like    string   `yaml:"like"`    // a template this one takes everything from that it does not set
	Jinja   string   `yaml:"jinja"`   // the chat_template
	BOS     string   `yaml:"bos"`     // bos_token; kept apart from prompts, since some servers add it themselves
	EOS     string   `yaml:"eos"`     // eos_token
	Date    Date     `yaml:"date"`    // what strftime_now and date_string show
	Stop    []string `yaml:"stop"`    // texts that end an answer
	Special []string `yaml:"special"` // texts that are one token and mean something to the model
}

//go:embed templates.yaml
var shippedSpecs []byte

//go:embed templates/*.jinja
var shippedTexts embed.FS

// Templates holds chat templates by name.
type Templates struct {
	specs    map[string]Spec
	compiled map[string]func() *Template
}

// ShippedTemplates returns the templates that are part of the program. Each is compiled when it is first
// asked for.
func ShippedTemplates() (*Templates, error) {
	t := &Templates{specs: map[string]Spec{}, compiled: map[string]func() *Template{}}
	if err := yaml.UnmarshalWithOptions(shippedSpecs, &t.specs, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("reading the shipped templates: %w", err)
	}
	for name, spec := range t.specs {
		text, err := shippedTexts.ReadFile("templates/" + name + ".jinja")
		if err != nil {
			return nil, fmt.Errorf("reading the shipped templates: %w", err)
		}
		spec.Jinja = string(text)
		t.specs[name] = spec
		t.compiled[name] = sync.OnceValue(func() *Template {
			compiled, err := Compile(name, spec)
			if err != nil {
				panic(err) // they are part of the program, and its tests compile them
			}
			return compiled
		})
	}
	return t, nil
}

// Names lists the templates in alphabetical order.
func (t *Templates) Names() []string { return slices.Sorted(maps.Keys(t.specs)) }

// Named returns a template; nil if there is none of that name.
func (t *Templates) Named(name string) *Template {
	if get := t.compiled[name]; get != nil {
		return get()
	}
	return nil
}

// Add compiles the templates of a YAML (or JSON) mapping from names to [Spec] and adds them, in the
// file's order. `like` may name one that comes earlier. An entry replaces one of the same name.
func (t *Templates) Add(data []byte, compile Compiler) error {
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
		compiled, err := compile(name, spec)
		if err != nil {
			return err
		}
		t.specs[name] = spec
		t.compiled[name] = func() *Template { return compiled }
	}
	return nil
}

func (t *Templates) decode(node ast.Node) (Spec, error) {
	var own Spec
	if err := yaml.NodeToValue(node, &own, yaml.Strict()); err != nil {
		return Spec{}, fmt.Errorf("decoding: %w", err)
	}
	if own.Like == "" {
		return own, nil
	}
	parent, ok := t.specs[own.Like]
	if !ok {
		return Spec{}, fmt.Errorf("like: there is no template %q (known: %s)", own.Like, strings.Join(t.Names(), ", "))
	}
	merged := parent
	merged.Date = Date{} // a date is taken whole, or not at all
	if own.Date == (Date{}) {
		own.Date = parent.Date
	}
	if err := yaml.NodeToValue(node, &merged, yaml.Strict()); err != nil {
		return Spec{}, fmt.Errorf("decoding: %w", err)
	}
	merged.Date = own.Date
	return merged, nil
}

// Template renders conversations. It is safe for concurrent use.
type Template struct {
	name   string
	spec   Spec
	render Renderer

	specials []string // longest first
	firsts   string   // the characters they begin with

	counting sync.Mutex
	counter  *tokens.Counter // that counted last
	counted  tokens.Sums[tokens.Count]

	// What the template takes as it is; found by trying.
	takesSystem, takesLaterSystem, takesTwoUsers bool
	dropsThought                                 bool // of answers that a question follows
}

// Renderer makes the prompt of at least one message. Its errors are refusals, or mistakes in a template
// that not every conversation meets.
type Renderer func([]Message, Options) (Prompt, error)

// Options choose among what a template can do. The zero value asks for an answer, with today's
// date where the template prints one.
type Options struct {
	Closed    bool            // no answer is asked for: the conversation is rendered as it is
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

// Compiler makes a template of what a file says.
type Compiler func(name string, spec Spec) (*Template, error)

// Compile checks a template and renders it in this process: a stranger's can end it. Name is for messages.
func Compile(name string, spec Spec) (*Template, error) {
	return Made(name, spec, func() (Renderer, error) { return Parse(name, spec) })
}

// Made checks a template with a renderer that the caller made.
func Made(name string, spec Spec, parse func() (Renderer, error)) (*Template, error) {
	if spec.Jinja == "" {
		return nil, fmt.Errorf("template %s: jinja is missing", name)
	}
	t := &Template{name: name, spec: spec}
	t.specials, t.firsts = specialsOf(spec)
	render, err := parse()
	if err != nil {
		return nil, err
	}
	if err := unusable(render); err != nil {
		return nil, err
	}
	t.render = growing(render)
	t.try()
	return t, nil
}

// Unrendered is a template of which only the syntax was checked: it refuses every conversation.
func Unrendered(name string, spec Spec, parse func() error) (*Template, error) {
	if spec.Jinja == "" {
		return nil, fmt.Errorf("template %s: jinja is missing", name)
	}
	if err := parse(); err != nil {
		return nil, err
	}
	return &Template{name: name, spec: spec, render: func([]Message, Options) (Prompt, error) {
		return Prompt{}, &Refusal{Template: name, Message: -1, Why: "it was not asked to render anything"}
	}}, nil
}

// unusable finds what shows only when a template is rendered, such as a filter that there is not: it fails
// for every plain conversation then, and not by raising.
func unusable(render Renderer) error {
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
	t.dropsThought = t.drops()
	system := []Message{{Role: "system", Content: "x"}, {Role: "user", Content: "y"}, {Role: "assistant", Content: "z"},
		{Role: "user", Content: "y"}}
	t.takesSystem = t.takesSystem && t.extends(system[:2], system)
	later := []Message{{Role: "user", Content: "y"}, {Role: "assistant", Content: "z"}, {Role: "system", Content: "x"},
		{Role: "user", Content: "y"}}
	t.takesLaterSystem = t.takesLaterSystem && t.extends(later[:1], later)
}

// thoughts are answers with the reasoning before them, as models write it: in tags, in a channel of Gemma's, in the
// channels of the harmony format.
var thoughts = []string{
	"<think>\nwhy\n</think>\n\ny",
	"<|channel>thought\nwhy\n<channel|>y",
	"<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>y",
}

// drops says whether the template keeps no reasoning of an answer that a question follows: it leaves it out, or takes
// an answer only without it.
func (t *Template) drops() bool {
	answered := func(answer string) (Prompt, error) {
		return t.render([]Message{{Role: "user", Content: "x"}, {Role: "assistant", Content: answer},
			{Role: "user", Content: "z"}}, Options{})
	}
	if _, err := answered("y"); err != nil {
		return false
	}
	for _, answer := range thoughts {
		if p, err := answered(answer); err != nil || !strings.Contains(p.Text, "why") {
			return true
		}
	}
	return false
}

// extends says whether the prompt of a longer conversation begins with that of a shorter one, with or without
// what asks for an answer.
func (t *Template) extends(short, long []Message) bool {
	whole, err := t.render(long, Options{})
	if err != nil {
		return false
	}
	for _, closed := range []bool{false, true} {
		start, err := t.render(short, Options{Closed: closed})
		if err == nil && strings.HasPrefix(whole.Text, strings.TrimRight(start.Text, " \n")) {
			return true
		}
	}
	return false
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
	p, err := t.render(t.Place(messages, opt.Placement), opt)
	if err == nil {
		return p, nil
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		refusal.Message = t.refused(messages, opt)
		refusal.Try = t.alternative(messages, opt)
	}
	return Prompt{}, err
}

// refused finds the message that a template stumbles over: the one after the longest beginning of the
// conversation that it takes.
func (t *Template) refused(messages []Message, opt Options) int {
	for n := len(messages) - 1; n > 0; n-- {
		if _, err := t.render(t.Place(messages[:n], opt.Placement), opt); err == nil {
			return n
		}
	}
	return 0
}

// alternative names a placement under which the conversation can be rendered.
func (t *Template) alternative(messages []Message, opt Options) string {
	for _, p := range []SystemPlacement{PlaceFirstUser, PlaceMerge} {
		if _, err := t.render(t.Place(messages, p), opt); p != opt.Placement && err == nil {
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
