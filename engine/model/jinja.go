package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"

	"homellm/engine/wire"
)

// SyntaxError is a Jinja template that does not compile.
type SyntaxError struct {
	Template  string
	Line, Col int // within the template's text, from 1; 0 if not known
	Message   string
	Bound     bool // the syntax is right, but rendering exceeds a limit of time, memory or output
}

func (e *SyntaxError) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("template %s: %s", e.Template, e.Message)
	case e.Col == 0:
		return fmt.Sprintf("template %s:%d: %s", e.Template, e.Line, e.Message)
	default:
		return fmt.Sprintf("template %s:%d:%d: %s", e.Template, e.Line, e.Col, e.Message)
	}
}

// Parse prepares a model's template as Hugging Face's tokenizers do: white space trimmed around blocks, loop
// controls, and the functions raise_exception and strftime_now. The template cannot read files: an include finds
// nothing. Parse renders nothing.
func Parse(name string, spec Spec) (Renderer, error) {
	rules := config.New() // rewriteForGonja trims the white space around blocks
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	if err := filters.Replace("tojson", toJSON); err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	environment := &exec.Environment{
		Context:           exec.EmptyContext().Update(builtins.GlobalFunctions),
		Filters:           filters,
		Tests:             builtins.Tests,
		ControlStructures: builtins.ControlStructures,
		Methods:           methods(),
	}
	template, err := parseJinja(name, rewriteForGonja(spec.Jinja), rules, environment)
	if err != nil {
		// The error's column in the rewritten text is wrong; the text before rewriting has the right one.
		if _, first := parseJinja(name, spec.Jinja, rules, environment); first != nil {
			err = first
		}
		if at, ok := errors.AsType[*SyntaxError](err); ok && at.Line == 0 {
			at.Line, at.Col = locate(spec.Jinja, func(tag string) bool {
				_, err := parseJinja(name, rewriteForGonja(tag), rules, environment)
				return err == nil
			})
		}
		return nil, err
	}

	return func(messages []Message, opt Options) (Prompt, error) {
		list := make([]any, len(messages))
		size := 256
		for i, m := range messages {
			list[i] = entry(m)
			size += len(m.Content) + 64
		}
		var why *string // the error that the template raised, because the library does not pass errors through
		vars := map[string]any{
			"messages":              list,
			"add_generation_prompt": !opt.Closed,
			"bos_token":             spec.BOS,
			"eos_token":             spec.EOS,
			"tools":                 declared(opt.Tools),
			"documents":             nil,
			"raise_exception": func(message string) (string, error) {
				why = &message
				return "", errors.New(message)
			},
			"strftime_now": func(format string) string { return spec.Date.show(opt.Now, format) },
		}
		if !opt.Now.IsZero() && spec.Date.Format != "" {
			vars["date_string"] = strftime(opt.Now, spec.Date.Format)
		}
		if opt.NoThink {
			vars["enable_thinking"] = false
		}
		maps.Copy(vars, opt.Vars)
		out := &bounded{Buffer: *bytes.NewBuffer(make([]byte, 0, size))}
		if err := template.Execute(out, exec.NewContext(vars)); err != nil {
			if out.full {
				return Prompt{}, &SyntaxError{Template: name, Message: "it writes a prompt of more than 64 MiB", Bound: true}
			}
			if why != nil {
				return Prompt{}, &Refusal{Template: name, Message: -1, Why: *why}
			}
			return Prompt{}, broken(name, spec.Jinja, err)
		}
		// The template decides whether to print BOS.
		if text, ok := strings.CutPrefix(out.String(), spec.BOS); ok {
			return Prompt{BOS: spec.BOS, Text: text}, nil
		}
		return Prompt{Text: out.String()}, nil
	}, nil
}

// entry is a message as templates read it. Arguments that are valid are values there, as the servers make them.
func entry(m Message) map[string]any {
	out := map[string]any{"role": m.Role, "content": m.Content}
	if thoughts := m.Thoughts(); thoughts != "" { // servers give it to templates under all the names that they read
		out[wire.FieldReasoningContent], out[wire.FieldReasoning], out[wire.FieldThinking] = thoughts, thoughts, thoughts
	}
	if m.ToolCallID != "" {
		out["tool_call_id"] = m.ToolCallID
	}
	if m.Name != "" {
		out["name"] = m.Name
	}
	var calls []any
	for _, c := range m.ToolCalls {
		var arguments any = c.Function.Arguments
		var v any
		if json.Unmarshal([]byte(c.Function.Arguments), &v) == nil {
			arguments = v
		}
		calls = append(calls, map[string]any{"id": c.ID, "type": c.Type,
			"function": map[string]any{"name": c.Function.Name, "arguments": arguments}})
	}
	if calls != nil {
		out["tool_calls"] = calls
	}
	return out
}

// declared are tools as templates read them; nil for none, which templates ask for.
func declared(tools []wire.Declared) any {
	if len(tools) == 0 {
		return nil
	}
	var out []any
	raw, err := json.Marshal(tools)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		return nil // parameters that are not JSON, which no file can contain
	}
	return out
}

// longestPrompt is more than the context of any model.
const longestPrompt = 64 << 20

// bounded accepts no more than the longest prompt.
type bounded struct {
	bytes.Buffer
	full bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > longestPrompt {
		b.full = true
		return 0, errors.New("the prompt is too long")
	}
	return b.Buffer.Write(p)
}

func (b *bounded) WriteString(s string) (int, error) { return b.Write([]byte(s)) }

var (
	brokenLine = regexp.MustCompile(`(?i)\bline[ =](\d+)`)
	brokenName = regexp.MustCompile(`(?:filter|test|method) '(\w+)' `)
)

// broken converts an error of the library, which lists first the position and then the problem, to a SyntaxError. Its
// columns are those of the rewritten template, so only the line is used.
func broken(name, source string, err error) *SyntaxError {
	parts := strings.Split(err.Error(), ": ")
	out := &SyntaxError{Template: name, Message: strings.Join(parts[max(0, len(parts)-2):], ": ")}
	named := brokenName.FindStringSubmatch(err.Error())
	if named != nil {
		out.Message = parts[len(parts)-1]
	}
	lines := brokenLine.FindAllStringSubmatch(err.Error(), -1)
	if lines == nil {
		return out
	}
	out.Line, _ = strconv.Atoi(lines[len(lines)-1][1])
	for i, line := range strings.Split(source, "\n") {
		if i+1 != out.Line {
			continue
		}
		out.Col = len(line) - len(strings.TrimLeft(line, " \t")) + 1
		if named != nil {
			out.Col = max(out.Col, utf8.RuneCountInString(line[:max(0, strings.Index(line, named[1]))])+1)
		}
	}
	return out
}

// methods returns the library's methods, some replaced by versions that take Python's arguments.
func methods() exec.Methods {
	all := builtins.Methods
	own := map[string]exec.Method[string]{}
	for _, name := range []string{
		"capitalize", "casefold", "center", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isascii",
		"isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "join", "ljust", "lower",
		"partition", "removeprefix", "removesuffix", "rfind", "rindex", "rjust", "rpartition",
		"splitlines", "startswith", "swapcase", "title", "upper", "zfill",
	} {
		if m, ok := all.Str.Get(name); ok {
			own[name] = m
		}
	}
	own["split"], own["replace"] = split, replace
	own["strip"] = strip(strings.Trim, strings.TrimFunc)
	own["lstrip"] = strip(strings.TrimLeft, strings.TrimLeftFunc)
	own["rstrip"] = strip(strings.TrimRight, strings.TrimRightFunc)
	all.Str = exec.NewMethodSet(own)
	return all
}

func split(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	var separator string
	var cuts int
	if err := args.Take(
		exec.PositionalArgument("sep", exec.AsValue(""), exec.StringArgument(&separator)),
		exec.PositionalArgument("maxsplit", exec.AsValue(-1), exec.IntArgument(&cuts)),
	); err != nil {
		return nil, exec.ErrInvalidCall(err)
	}
	switch {
	case separator != "" && cuts >= 0:
		return strings.SplitN(self, separator, cuts+1), nil
	case separator != "":
		return strings.Split(self, separator), nil
	case cuts >= 0:
		return nil, exec.ErrInvalidCall(errors.New("split with maxsplit needs a separator"))
	default:
		return strings.FieldsFunc(self, blank), nil
	}
}

func replace(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
	var before, after string
	var count int
	if err := args.Take(
		exec.PositionalArgument("old", nil, exec.StringArgument(&before)),
		exec.PositionalArgument("new", nil, exec.StringArgument(&after)),
		exec.PositionalArgument("count", exec.AsValue(-1), exec.IntArgument(&count)),
	); err != nil {
		return nil, exec.ErrInvalidCall(err)
	}
	return strings.Replace(self, before, after, count), nil
}

// strip returns a method that strips the named characters from the ends of a text, or white space if none are named.
// Each of the two cases has its function.
func strip(named func(s, cutset string) string, space func(string, func(rune) bool) string) exec.Method[string] {
	return func(self string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		if len(args.Args) == 0 {
			return space(self, blank), nil
		}
		var cutset string
		if err := args.Take(exec.PositionalArgument("chars", nil, exec.StringArgument(&cutset))); err != nil {
			return nil, exec.ErrInvalidCall(err)
		}
		return named(self, cutset), nil
	}
}

func parseJinja(name, source string, rules *config.Config, environment *exec.Environment) (*exec.Template, error) {
	loader, err := loaders.NewMemoryLoader(map[string]string{"/": source})
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	template, err := exec.NewTemplate("/", rules, loader, environment)
	if err == nil {
		return template, nil
	}
	if at, ok := errors.AsType[*parser.SyntaxError](err); ok {
		return nil, &SyntaxError{Template: name, Line: at.Line, Col: at.Column, Message: at.Message}
	}
	// The library quotes the whole template before the problem.
	message := err.Error()
	if cause := errors.Unwrap(err); cause != nil {
		message = cause.Error()
	}
	return nil, &SyntaxError{Template: name, Message: message}
}

// blank is Python's white space: four separators more than Go's.
func blank(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
