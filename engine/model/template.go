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

// Spec is a chat template: Jinja, and facts that are not in it.
type Spec struct {
	Like    string   `yaml:"like"`    // the name of a template from which unset fields are taken
	Jinja   string   `yaml:"jinja"`   // the chat_template
	BOS     string   `yaml:"bos"`     // bos_token; separate from prompts, because some servers add it themselves
	EOS     string   `yaml:"eos"`     // eos_token
	Date    Date     `yaml:"date"`    // what strftime_now and date_string show
	Stop    []string `yaml:"stop"`    // texts that end an answer
	Special []string `yaml:"special"` // texts that are one token with a meaning for the model

	// whether it reads what an assistant has thought; nil: as its text says
	Thoughts *bool `yaml:"thoughts"`
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

// ShippedTemplates returns the templates that are part of the program. They are read once, and each is compiled when it
// is first used.
func ShippedTemplates() (*Templates, error) {
	all, err := readShipped()
	if err != nil {
		return nil, err
	}
	return &Templates{specs: maps.Clone(all.specs), compiled: maps.Clone(all.compiled)}, nil
}

var readShipped = sync.OnceValues(func() (*Templates, error) {
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
})

// Names lists the templates in alphabetical order.
func (t *Templates) Names() []string { return slices.Sorted(maps.Keys(t.specs)) }

// Named returns a template; nil if there is none of that name.
func (t *Templates) Named(name string) *Template {
	if get := t.compiled[name]; get != nil {
		return get()
	}
	return nil
}

// Add compiles the templates of a YAML (or JSON) mapping from names to [Spec] and adds them, in the file's order.
// `like` may name an earlier one. An entry replaces one with the same name.
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
		name, value := it.Key().GetToken().Value, it.Value() // without JSON's quotes
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
	merged.Date = Date{} // a date is inherited completely or not at all
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
	counter  *tokens.Counter // the counter of the last count
	counted  tokens.Sums[tokens.Count]

	// What the template accepts unchanged; found by trying.
	takesSystem, takesLaterSystem, takesTwoUsers bool
	dropsThought                                 bool // of answers that a question follows
	takesTools                                   bool // it has markup for tools
}

// Renderer renders the prompt of at least one message. Its errors are refusals, or errors of a template that not
// every conversation triggers.
type Renderer func([]Message, Options) (Prompt, error)

// Options are the options of a rendering. The zero value asks for an answer, with today's date if the template prints
// one.
type Options struct {
	Closed    bool            // no generation prompt: the conversation is rendered as it is
	NoThink   bool            // thinking is switched off, if the template supports that (enable_thinking=false)
	Placement SystemPlacement // placement of system messages after the first
	Now       time.Time       // the date for templates that print one; zero: their fixed one, else today
	Tools     []wire.Declared // tools that the model may call
	Vars      map[string]any  // further variables of a Jinja template (chat_template_kwargs)
}

// Prompt is a rendered conversation. BOS is separate because some servers add it themselves.
type Prompt struct {
	BOS  string
	Text string
}

// String is the whole prompt.
func (p Prompt) String() string { return p.BOS + p.Text }

// Compiler makes a template from a spec.
type Compiler func(name string, spec Spec) (*Template, error)

// Compile checks a template and renders it in this process, which an untrusted template can end. Name is for
// messages.
func Compile(name string, spec Spec) (*Template, error) {
	return Made(name, spec, func() (Renderer, error) { return Parse(name, spec) })
}

// Made checks a template with the caller's renderer.
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

// unusable finds errors that only rendering shows, such as a missing filter: every plain conversation then fails, and
// not by an error of the template.
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

// try finds out what the template accepts, so that a placement changes only what has to change.
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
	t.dropsThought, t.takesTools = t.drops(), t.tryTools()
	system := []Message{{Role: "system", Content: "x"}, {Role: "user", Content: "y"}, {Role: "assistant", Content: "z"},
		{Role: "user", Content: "y"}}
	t.takesSystem = t.takesSystem && t.extends(system[:2], system)
	later := []Message{{Role: "user", Content: "y"}, {Role: "assistant", Content: "z"}, {Role: "system", Content: "x"},
		{Role: "user", Content: "y"}}
	t.takesLaterSystem = t.takesLaterSystem && t.extends(later[:1], later)
}

// thoughts are answers with reasoning before them, in the forms of models: in tags, in a channel of Gemma's, in the
// channels of the harmony format.
var thoughts = []string{
	"<think>\nwhy\n</think>\n\ny",
	"<|channel>thought\nwhy\n<channel|>y",
	"<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>y",
}

// drops says whether the template drops the reasoning of an answer that a question follows: it leaves it out, or
// accepts an answer only without it.
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

// extends says whether the prompt of a longer conversation begins with that of a shorter one, with or without the
// generation prompt.
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

// Stop lists the texts that end an answer; a request to a completions endpoint has to send them.
func (t *Template) Stop() []string { return slices.Clone(t.spec.Stop) }

// ReadsThoughts reports whether the model's own template reads what an assistant has thought.
func (t *Template) ReadsThoughts() bool {
	if t.spec.Thoughts != nil {
		return *t.spec.Thoughts
	}
	return wire.ReadsThoughts(t.spec.Jinja)
}

// Render makes the prompt of a conversation. It returns a [*Refusal] if the template does not accept the
// conversation, which names an alternative, and a [*SyntaxError] if the template is wrong.
func (t *Template) Render(messages []Message, opt Options) (Prompt, error) {
	if len(messages) == 0 {
		return Prompt{}, &Refusal{Template: t.name, Message: -1, Why: "there is no message to render"}
	}
	if !t.takesTools && withTools(messages, opt.Tools) {
		messages, opt.Tools = spelt(messages, opt.Tools), nil
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

// refused finds the message that a template rejects: the one after the longest beginning of the conversation that it
// accepts.
func (t *Template) refused(messages []Message, opt Options) int {
	for n := len(messages) - 1; n > 0; n-- {
		if _, err := t.render(t.Place(messages[:n], opt.Placement), opt); err == nil {
			return n
		}
	}
	return 0
}

// alternative is a placement with which the conversation can be rendered.
func (t *Template) alternative(messages []Message, opt Options) string {
	for _, p := range []SystemPlacement{PlaceFirstUser, PlaceMerge} {
		if _, err := t.render(t.Place(messages, p), opt); p != opt.Placement && err == nil {
			return fmt.Sprintf("system_placement: %s", p)
		}
	}
	return ""
}

// Refusal is the error of a template that does not accept the conversation.
type Refusal struct {
	Template string
	Message  int    // index of the rejected message; -1 if unknown
	Why      string // the template's own message, if it has one
	Try      string // a placement with which it works; empty if there is none
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

// TakesTools reports whether the template has markup for tools. Without it, tools are added as text in the form of Qwen
// and Hermes, which is about as long.
func (t *Template) TakesTools() bool { return t.takesTools }

// tryTools finds out whether the template renders a tool, a call of it and the result.
func (t *Template) tryTools() bool {
	call := wire.Call("call00001", "look", `{"at":"here"}`)
	p, err := t.render([]Message{{Role: "user", Content: "x"}, {Role: "assistant", ToolCalls: []wire.ToolCall{call}},
		{Role: "tool", Content: "seen", ToolCallID: call.ID, Name: "look"}, {Role: "user", Content: "y"}},
		Options{Tools: wire.Functions([]wire.Tool{{Name: "look", Description: "Looks around."}})})
	return err == nil && strings.Contains(p.Text, "Looks around.") && strings.Contains(p.Text, "here") &&
		strings.Contains(p.Text, "seen")
}
