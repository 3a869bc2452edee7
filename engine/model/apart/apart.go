// Package apart parses and renders untrusted chat templates in a separate process with limits of time, memory and
// output.
//
// A chat template is a program, and its library cannot interrupt it: a template that recurses without end would end
// the process that renders it, one that loops would never return. The input is specs and conversations; the output is
// prompts, and the errors of templates. The package reads no files and knows no models, servers or scenarios.
package apart

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"homellm/engine/model"
)

// Limits of one template. A usual one takes a thousandth of the time and a hundredth of the memory.
const (
	mostMemory = 1 << 30 // memory of the process in bytes

	allowance = 4 * time.Second       // time of a template at the start,
	perRender = 20 * time.Millisecond // plus this for each rendering,
	perMiB    = 2 * time.Second       // plus this for each MiB of conversation;
	mostAtOne = 20 * time.Second      // most for one rendering
)

// Renderer renders templates in one child process, which the first template starts. It is safe for concurrent use,
// and renders one conversation at a time.
type Renderer struct {
	exe   string
	args  []string
	first time.Duration // time allowed for a template at the start

	mu     sync.Mutex
	child  *child
	starts int // children started so far
	names  int // templates so far
}

// New returns a renderer whose child is the program exe with these arguments; that program has to call [Serve].
func New(exe string, args ...string) *Renderer {
	return &Renderer{exe: exe, args: args, first: allowance}
}

// Compile checks a template, and finds out what it accepts by rendering a few short conversations. Its errors are
// those of [model.Compile]; a template that exceeds a limit is a [model.SyntaxError] as well.
func (r *Renderer) Compile(name string, spec model.Spec) (*model.Template, error) {
	return model.Made(name, spec, func() (model.Renderer, error) {
		t, err := r.parse(name, spec)
		if err != nil {
			return nil, err
		}
		return t.render, nil
	})
}

// Parse checks the syntax of a template. The result renders nothing.
func (r *Renderer) Parse(name string, spec model.Spec) (*model.Template, error) {
	return model.Unrendered(name, spec, func() error {
		_, err := r.parse(name, spec)
		return err
	})
}

// Close ends the child. A later rendering starts another.
func (r *Renderer) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.child != nil {
		r.child.kill()
		r.child = nil
	}
}

// template is one template and its remaining time.
type template struct {
	of   *Renderer
	id   int
	name string
	spec model.Spec

	// guarded by of.mu
	left   time.Duration
	known  int   // number of the child that has it, from 1
	broken error // it exceeded a limit, and is not rendered again
}

func (r *Renderer) parse(name string, spec model.Spec) (*template, error) {
	if r == nil {
		return nil, fmt.Errorf("template %s: there is no process to render it in", name)
	}
	r.mu.Lock()
	r.names++
	t := &template{of: r, id: r.names, name: name, spec: spec, left: r.first}
	r.mu.Unlock()
	_, err := t.ask(nil, model.Options{})
	return t, err
}

func (t *template) render(messages []model.Message, opt model.Options) (model.Prompt, error) {
	return t.ask(messages, opt)
}

// ask sends a conversation to the child; without a conversation, the template is parsed only.
func (t *template) ask(messages []model.Message, opt model.Options) (model.Prompt, error) {
	r := t.of
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.broken != nil {
		return model.Prompt{}, t.broken
	}
	if r.child == nil {
		c, err := start(r.exe, r.args)
		if err != nil {
			return model.Prompt{}, fmt.Errorf("template %s: starting the process that renders it: %w", t.name, err)
		}
		r.child = c
		r.starts++
	}
	q := question{ID: t.id, Template: t.name, Options: opt}
	var texts []string
	if t.known != r.starts {
		q.Spec = &t.spec
	}
	size := 0
	for _, m := range messages {
		texts = append(texts, m.Content)
		size += len(m.Text())
		m.Content = ""
		q.Heads = append(q.Heads, m)
	}
	t.left = min(t.left+perRender+perMiB*time.Duration(size>>10)/1024, mostAtOne)
	q.Limit = t.left
	began := time.Now()
	a, replied, err := r.child.ask(q, texts)
	if over, ok := errors.AsType[exceeded](err); ok {
		r.child = nil // it has ended
		t.broken = &model.SyntaxError{Template: t.name, Message: string(over), Bound: true}
		return model.Prompt{}, t.broken
	}
	if err != nil {
		return model.Prompt{}, fmt.Errorf("template %s: %w", t.name, err)
	}
	t.known = r.starts
	t.left -= time.Since(began)
	if t.left <= 0 { // each rendering was within its limit, but all of them together are too slow
		t.broken = &model.SyntaxError{Template: t.name, Message: string(tooLong), Bound: true}
		return model.Prompt{}, t.broken
	}
	return a.prompt(t.name, replied)
}

// exceeded says which limit a template exceeded.
type exceeded string

func (e exceeded) Error() string { return string(e) }

const (
	tooLong   exceeded = "it takes too long: a loop without end, or nearly"
	tooBig    exceeded = "it takes more than 1 GiB of memory"
	endedSelf exceeded = "it exhausts the stack or the memory"
)
