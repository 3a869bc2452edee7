package imports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"homellm/dsl/transcript"
	"homellm/engine/text"
)

// write writes a scenario.
func (b *builder) write(f *transcript.File, all []conversation, chats []*transcript.Chat) []byte {
	var w bytes.Buffer
	fmt.Fprintf(&w, "schema: homellm.scenario/v1\nname: %s\n", b.Name)
	of := strings.ReplaceAll(short(b.Of), "${", "$ {")
	fmt.Fprintf(&w, "description: %s\n", quoted(fmt.Sprintf("Imported from %s (%s): %s, %s.", of, f.Format,
		text.Plural(len(all), "conversation"), text.Plural(b.made.Steps, "question"))))
	fmt.Fprint(&w, "tags: [imported]\n")
	for _, note := range b.made.Notes {
		fmt.Fprintf(&w, "# %s\n", strings.Map(printable, note))
	}
	fmt.Fprint(&w, "defaults:\n  request: {temperature: 0, seed: 1")
	if n := longestReply(chats); n > 0 {
		fmt.Fprintf(&w, ", max_tokens: %d", n)
	}
	fmt.Fprint(&w, "}\n")
	if all[0].line > 0 {
		fmt.Fprint(&w, "run: {repeats: 1}\n")
	}
	fmt.Fprint(&w, "conversations:\n")
	for _, c := range all {
		c.write(&w)
	}
	fmt.Fprint(&w, "assert:\n  - {name: all-answered, that: run.requests_failed == 0}\n")
	return w.Bytes()
}

// printable replaces characters that may not be in a comment.
func printable(r rune) rune {
	if text.Acts(r) || r == '\n' || r == '\u0085' || r == '\u2028' || r == '\u2029' {
		return '?'
	}
	return r
}

func (c *conversation) write(w *bytes.Buffer) {
	fmt.Fprintf(w, "  - id: %s\n", c.id)
	if c.title != "" && !strings.Contains(c.title, "${") {
		fmt.Fprintf(w, "    title: %s\n", quoted(c.title))
	}
	if c.system != "" {
		fmt.Fprintf(w, "    system: %s\n", scalar(reference(c.system), 6))
	}
	switch {
	case c.given != "" && c.line > 0:
		fmt.Fprintf(w, "    given: {file: %s, line: %d}\n", c.given, c.line)
	case c.given != "":
		fmt.Fprintf(w, "    given: {file: %s}\n", c.given)
	}
	if !c.live {
		fmt.Fprint(w, "    history: recorded\n")
	}
	if len(c.tools) > 0 {
		fmt.Fprint(w, "    tools:\n")
		for _, t := range c.tools {
			t.write(w)
		}
	}
	fmt.Fprint(w, "    steps:\n")
	for _, s := range c.steps {
		s.write(w)
	}
}

func (t *tool) write(w *bytes.Buffer) {
	fmt.Fprintf(w, "      - name: %s\n", quoted(t.name))
	if t.about != "" {
		fmt.Fprintf(w, "        description: %s\n", scalar(t.about, 10))
	}
	if t.parameters != nil {
		fmt.Fprintf(w, "        parameters: %s\n", flow(t.parameters))
	}
	if len(t.results) > 0 {
		fmt.Fprint(w, "        results:\n")
	}
	for _, r := range t.results {
		what := "text: " + quoted(reference(r.text))
		if r.file != "" {
			what = "file: " + r.file
		}
		fmt.Fprintf(w, "          - {when: %s, %s}\n", quoted(r.when), what)
	}
}

func (s step) write(w *bytes.Buffer) {
	if s.wait >= time.Millisecond {
		fmt.Fprintf(w, "      - {id: %s_wait, wait: %dms}\n", s.id, s.wait.Milliseconds())
	}
	action := "ask"
	if s.goesOn {
		action = "continue"
	}
	fmt.Fprintf(w, "      - id: %s\n", s.id)
	if len(s.images) > 0 {
		fmt.Fprintf(w, "        ask:\n          text: %s\n          images: [%s]\n", scalar(reference(s.ask), 12),
			strings.Join(s.images, ", "))
	} else {
		fmt.Fprintf(w, "        %s: %s\n", action, scalar(reference(s.ask), 10))
	}
	if s.tokens > 0 {
		fmt.Fprintf(w, "        request: {max_tokens: %d}\n", s.tokens)
	}
	if s.most > 0 {
		fmt.Fprintf(w, "        max_rounds: %d\n", s.most)
	}
	switch {
	case len(s.replies) == 0:
		return
	case len(s.replies) == 1 && len(s.replies[0].calls) == 0:
		fmt.Fprintf(w, "        reply: %s\n", scalar(reference(s.replies[0].text), 10))
		return
	}
	fmt.Fprint(w, "        reply:\n")
	for _, r := range s.replies {
		if len(r.calls) == 0 {
			fmt.Fprintf(w, "          - %s\n", scalar(reference(r.text), 12))
			continue
		}
		indent := "          - "
		if r.text != "" {
			fmt.Fprintf(w, "%stext: %s\n", indent, scalar(reference(r.text), 14))
			indent = "            "
		}
		fmt.Fprintf(w, "%stool_calls:\n", indent)
		for _, call := range r.calls {
			fmt.Fprintf(w, "              - {name: %s, arguments: %s}\n", quoted(call.Function.Name),
				arguments(call.Function.Arguments))
		}
	}
}

// arguments writes the arguments of a call as a mapping if that reproduces the model's text exactly, else as a string.
func arguments(s string) string {
	var v map[string]any
	if json.Unmarshal([]byte(s), &v) == nil && canonical(s) == s && !strings.Contains(s, "null") &&
		!strings.Contains(s, "${") {
		return flow([]byte(s))
	}
	return quoted(reference(s))
}

// flow writes JSON as a YAML flow value.
func flow(data []byte) string {
	var b strings.Builder
	for _, r := range string(data) {
		if odd(r) && r <= 0xffff {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// scalar writes a text as a block if that keeps it exactly, else quoted.
func scalar(s string, indent int) string {
	lines := strings.Split(s, "\n")
	escaped := func(r rune) bool { return r != '\n' && odd(r) }
	if len(lines) < 2 || !utf8.ValidString(s) || strings.ContainsFunc(s, escaped) ||
		strings.TrimSpace(lines[0]) == "" || lines[0] != strings.TrimLeft(lines[0], " \t") || lines[len(lines)-1] == "" ||
		slices.ContainsFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" && l != "" }) {
		return quoted(s)
	}
	var b strings.Builder
	b.WriteString("|-")
	pad := "\n" + strings.Repeat(" ", indent)
	for _, l := range lines {
		if l == "" {
			b.WriteString("\n")
			continue
		}
		b.WriteString(pad + l)
	}
	return b.String()
}

// odd reports whether a character must be escaped in a YAML file.
func odd(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == utf8.RuneError ||
		text.Acts(r)
}

// reference escapes text that looks like a reference to a variable.
func reference(s string) string { return strings.ReplaceAll(s, "${", "$${") }

// plain matches texts that YAML reads literally, anywhere.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.?!'/-]*( [A-Za-z0-9_.?!'/-]+)*$`)

// word matches texts that YAML, or a version of it, reads as another value.
var word = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)

// quoted writes a text, in quotes if it needs them.
func quoted(s string) string {
	switch {
	case plain.MatchString(s) && !word.MatchString(s):
		return s
	case strings.ContainsAny(s, `"\`) && !strings.ContainsFunc(s, odd):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case odd(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case odd(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
