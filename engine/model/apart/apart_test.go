package apart

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/model"
)

const childOfTests = "render-templates-apart"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childOfTests {
		Serve(os.Stdin, os.Stdout, os.Exit)
		return
	}
	os.Exit(m.Run())
}

func newRenderer(t testing.TB) *Renderer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := New(exe, childOfTests)
	t.Cleanup(r.Close)
	return r
}

// bombs are templates that end the process that renders them, never end, or fill the memory.
var bombs = map[string]string{
	"recursion":        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
	"two macros":       "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
	"macros in loops":  "{% macro a(n) %}{% for i in range(n) %}{{ a(n) }}{% endfor %}{% endmacro %}{{ a(10) }}",
	"block":            "{% block a %}{{ self.a() }}{% endblock %}",
	"includes itself":  "{% include '/' %}",
	"extends itself":   "{% extends '/' %}",
	"loops":            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
	"range":            "{% for a in range(1000000000) %}x{% endfor %}",
	"doubled":          "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
	"multiplied":       "{{ 'x' * 10000000000 }}",
	"centred":          "{{ 'x'|center(10000000000) }}",
	"zfill":            "{{ 'x'.zfill(100000000000) }}",
	"indented":         "{{ ('x\n' * 100000)|indent(1000000) }}",
	"batch":            "{{ [1]|batch(1000000000, 'x')|list }}",
	"lipsum":           "{{ lipsum(n=100000000) }}",
	"long output":      "{% for i in range(100000) %}{{ 'x' * 100000 }}{% endfor %}",
	"division":         "{{ 1 % 0 }}",
	"nested groups":    "{{ " + strings.Repeat("(", 150_000) + "1" + strings.Repeat(")", 150_000) + " }}",
	"nested blocks":    strings.Repeat("{% if x %}", 40_000) + strings.Repeat("{% endif %}", 40_000),
	"nested choices":   "{{ " + strings.Repeat("1 if x else (", 20_000) + "1" + strings.Repeat(")", 20_000) + " }}",
	"only some refuse": "{% if messages|length > 3 %}{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}{% endif %}",
}

// A program in a template costs at most its bounds, and is a mistake of the template.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes many seconds")
	}
	for name, jinja := range bombs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRenderer(t)
			r.first = 300 * time.Millisecond // the program allows more, and stops an endless template in the same way
			began := time.Now()
			template, err := r.Compile("bomb", model.Spec{Jinja: jinja})
			if template != nil { // not every conversation meets it
				_, err = template.Render(model.Probe(), model.Options{})
			}
			if _, ok := errors.AsType[*model.SyntaxError](err); !ok {
				t.Errorf("%v is no mistake of the template", err)
			}
			r.first = allowance
			// The child has its own time limit, which a busy machine can exceed.
			if took := time.Since(began); took > 6*allowance {
				t.Errorf("it took %v", took)
			}
			if _, err := r.Compile("good", model.Spec{Jinja: "{{ messages[0].content }}"}); err != nil {
				t.Errorf("the next template suffers: %v", err)
			}
		})
	}
}

// A template that exceeded a limit is not tried again for every turn of a plan.
func TestBrokenStaysBroken(t *testing.T) {
	r := newRenderer(t)
	jinja := "{% if messages[0].content == 'go' %}" + bombs["recursion"] + "{% endif %}x"
	template, err := r.Compile("t", model.Spec{Jinja: jinja})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err = template.Render([]model.Message{{Role: "user", Content: "go"}}, model.Options{})
		if err == nil {
			t.Fatal("a recursion without end has a prompt")
		}
	}
	if r.starts != 1 {
		t.Errorf("%d processes were started", r.starts)
	}
	wrong, ok := errors.AsType[*model.SyntaxError](err)
	if !ok || !wrong.Bound {
		t.Errorf("%v", err)
	}
}

// Parsing runs nothing.
func TestParse(t *testing.T) {
	r := newRenderer(t)
	if _, err := r.Parse("bomb", model.Spec{Jinja: bombs["recursion"]}); err != nil {
		t.Errorf("a recursion that is not run: %v", err)
	}
	_, err := r.Parse("bad", model.Spec{Jinja: "{% if x %}"})
	if _, ok := errors.AsType[*model.SyntaxError](err); !ok {
		t.Errorf("no end of if: %v", err)
	}
	if _, err := r.Parse("none", model.Spec{}); err == nil {
		t.Error("there is nothing to parse")
	}
	if _, err := (*Renderer)(nil).Parse("x", model.Spec{Jinja: "x"}); err == nil {
		t.Error("there is no process")
	}
	if _, err := New("/nowhere/at/all").Compile("x", model.Spec{Jinja: "x"}); err == nil {
		t.Error("the process cannot be started")
	}
}

// The child renders as this process does: prompts, refusals, mistakes, variables.
func TestSameAsHere(t *testing.T) {
	specs := map[string]model.Spec{
		"plain":    {Jinja: "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}", BOS: "<s>"},
		"refuses":  {Jinja: "{% if messages|length > 1 %}{{ raise_exception('only one') }}{% endif %}{{ messages[0].content }}"},
		"vars":     {Jinja: "{{ n }} {{ f }} {{ list }} {{ deep.k }} {{ enable_thinking }} {{ messages[0].content }}"},
		"date":     {Jinja: "{{ strftime_now('%d %b %Y') }} {{ date_string }}", Date: model.Date{Format: "%Y"}},
		"later":    {Jinja: "{% if messages|length > 1 %}{{ 1|nofilter }}{% endif %}x"},
		"no such":  {Jinja: "{{ 1|nofilter }}"},
		"unclosed": {Jinja: "a\n{% for %}"},
		"gen":      {Jinja: "{% if add_generation_prompt %}go{% endif %}{{ messages[-1].content }}"},
	}
	r := newRenderer(t)
	opt := model.Options{Now: time.Date(2026, 3, 9, 14, 5, 6, 0, time.UTC), NoThink: true,
		Vars: map[string]any{"n": 7, "f": 1.5, "list": []any{1, "a"}, "deep": map[string]any{"k": 3}}}
	conversations := [][]model.Message{model.Probe(), model.Probe()[1:2], {{Role: "user", Content: "<é>&\u2028\"\x00"}}}
	for name, spec := range specs {
		here, wrongHere := model.Compile(name, spec)
		there, wrongThere := r.Compile(name, spec)
		if fmt.Sprint(wrongHere) != fmt.Sprint(wrongThere) {
			t.Errorf("%s: here %v, there %v", name, wrongHere, wrongThere)
		}
		if wrongHere != nil || wrongThere != nil {
			continue
		}
		for i, messages := range conversations {
			for _, closed := range []bool{false, true} {
				opt.Closed = closed
				p, err := here.Render(messages, opt)
				q, err2 := there.Render(messages, opt)
				if diff := cmp.Diff(p, q); diff != "" || fmt.Sprint(err) != fmt.Sprint(err2) {
					t.Errorf("%s, conversation %d: %v, %v\n%s", name, i, err, err2, diff)
				}
			}
		}
	}
	if r.starts != 1 {
		t.Errorf("%d processes for one run", r.starts)
	}
}

// Templates of one name are told apart, and many may render at once.
func TestManyAtOnce(t *testing.T) {
	r := newRenderer(t)
	var group sync.WaitGroup
	for i := range 8 {
		template, err := r.Compile("same", model.Spec{Jinja: fmt.Sprintf("%d{{ messages[0].content }}", i)})
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			for range 50 {
				p, err := template.Render([]model.Message{{Role: "user", Content: "x"}}, model.Options{})
				if want := fmt.Sprintf("%dx", i); err != nil || p.Text != want {
					t.Errorf("%q, %v; want %q", p.Text, err, want)
				}
			}
		})
	}
	group.Wait()
}

// A child has nothing of our environment, and ends with its input.
func TestChildKnowsNoKeys(t *testing.T) {
	t.Setenv("HF_TOKEN", "hf_abcdefghijklmnop")
	r := newRenderer(t)
	if _, err := r.Compile("x", model.Spec{Jinja: "x"}); err != nil {
		t.Fatal(err)
	}
	c := r.child
	for _, kv := range c.command.Environ() {
		if strings.HasPrefix(kv, "HF_TOKEN=") {
			t.Error("the process that renders has the hub's token")
		}
	}
	if err := c.in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.command.Wait(); err != nil {
		t.Errorf("without input it ends by %v", err)
	}
}

// BenchmarkRender is what one prompt of a usual conversation costs in the other process.
func BenchmarkRender(b *testing.B) {
	text := strings.Repeat("The harbour has seen better days. ", 200)
	var messages []model.Message
	for range 10 {
		messages = append(messages, model.Message{Role: "user", Content: text},
			model.Message{Role: "assistant", Content: text})
	}
	spec := model.Spec{Jinja: "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"}
	r := newRenderer(b)
	for name, compile := range map[string]model.Compiler{"here": model.Compile, "apart": r.Compile} {
		b.Run(name, func(b *testing.B) {
			template, err := compile("x", spec)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := template.Render(messages, model.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("start", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Parse("x", spec); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
}
