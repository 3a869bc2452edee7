package model

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// check finds what would make a declarative template render nonsense.
func (s *Spec) check() error {
	for _, role := range []string{"user", "assistant"} {
		if _, ok := s.Roles[role]; !ok {
			return fmt.Errorf("roles: %s is missing", role)
		}
	}
	for role := range s.Roles {
		if !slices.Contains(roles, role) {
			return fmt.Errorf("roles: %q is not one of %s", role, strings.Join(roles, ", "))
		}
	}
	handlings := []SystemHandling{SystemInline, SystemRefuse, SystemFirstUser, SystemLastUser, SystemHoistLast}
	if !slices.Contains(handlings, s.System) {
		return fmt.Errorf("system: %q is not one of %v", s.System, handlings)
	}
	if _, ok := s.Roles["system"]; s.System == SystemInline && !ok {
		return fmt.Errorf("system: inline needs roles.system")
	}
	if s.Thinking != nil && s.Thinking.Strip != "answered" && s.Thinking.Strip != "all" {
		return fmt.Errorf("thinking.strip: %q is neither answered nor all", s.Thinking.Strip)
	}
	return nil
}

var roles = []string{"system", "user", "assistant"}

// render is the renderer of declarative templates.
func (s *Spec) render(messages []Message, opt Options) (Prompt, error) {
	var b strings.Builder
	size := 256
	for _, m := range messages {
		size += len(m.Content) + 64
	}
	b.Grow(size)

	offset := 0 // of messages[0] in what the user wrote, for errors
	if s.DefaultSystem != nil && messages[0].Role != "system" {
		messages = append([]Message{{Role: "system", Content: *s.DefaultSystem}}, messages...)
		offset = -1
	}
	lead, moved := "", false // a system text that is put before another message
	switch {
	case s.System == SystemHoistLast:
		messages = s.hoist(&b, messages)
	case messages[0].Role != "system" || s.System == SystemInline:
	case s.System == SystemRefuse:
		return Prompt{}, &Refusal{Message: offset, Why: "a system message is not supported"}
	default:
		lead, moved = messages[0].Content+s.Separator, true
		messages = messages[1:]
		offset++
	}

	last := len(messages) - 1
	lastUser := last
	for lastUser >= 0 && messages[lastUser].Role != "user" {
		lastUser--
	}
	for i, m := range messages {
		if s.Alternate && (m.Role == "user") != (i%2 == 0) {
			return Prompt{}, &Refusal{Message: i + offset, Why: "user and assistant must take turns, after an optional system message"}
		}
		wrap, ok := s.Roles[m.Role]
		if !ok {
			return Prompt{}, &Refusal{Message: i + offset, Why: fmt.Sprintf("role %q is not supported here", m.Role)}
		}
		if m.Role == "system" && m.Content == "" && s.SkipEmptySystem {
			continue
		}
		b.WriteString(wrap.Prefix)
		if m.Role == "system" && i == 0 && s.Preamble != "" {
			b.WriteString(strings.ReplaceAll(s.Preamble, "{date}", s.Date.show(opt.Now)))
		}
		if moved && (s.System == SystemFirstUser && i == 0 || s.System == SystemLastUser && i == last && m.Role == "user") {
			b.WriteString(lead)
		}
		text := m.Content
		if m.Role == "assistant" && s.Thinking != nil {
			text = s.Thinking.show(text, i == last, lastUser >= 0 && i > lastUser)
		}
		if slices.Contains(s.Trim, m.Role) {
			text = strings.TrimFunc(text, blank)
		}
		b.WriteString(text)
		b.WriteString(wrap.Suffix)
	}
	if opt.Closed {
		b.WriteString(s.NoGenerationSuffix)
		return Prompt{BOS: s.BOS, Text: b.String()}, nil
	}
	b.WriteString(s.GenerationPrompt)
	if opt.NoThink && s.Thinking != nil {
		b.WriteString(s.Thinking.None)
	}
	return Prompt{BOS: s.BOS, Text: b.String()}, nil
}

// hoist prints the last system text and returns the messages without any.
func (s *Spec) hoist(b *strings.Builder, messages []Message) []Message {
	rest, text := make([]Message, 0, len(messages)), ""
	for _, m := range messages {
		if m.Role == "system" {
			text = m.Content
			continue
		}
		rest = append(rest, m)
	}
	b.WriteString(text)
	return rest
}

// show is an answer as a later prompt has it. Open says that no question follows it.
func (t *Thinking) show(text string, last, open bool) string {
	mark := strings.TrimSpace(t.Close)
	before, answer, found := cutLast(text, mark)
	if t.Strip == "all" {
		if found {
			return answer
		}
		return text
	}
	reasoning := ""
	if found {
		before, _, _ = strings.Cut(before, mark)
		before = strings.TrimRight(before, "\n")
		if _, inner, ok := cutLast(before, strings.TrimSpace(t.Open)); ok {
			before = inner
		}
		reasoning = strings.Trim(before, "\n")
		text = strings.TrimLeft(answer, "\n")
	}
	if open && (last && t.ShowLast || reasoning != "") {
		return t.Open + reasoning + t.Close + strings.TrimLeft(text, "\n")
	}
	return text
}

// blank is what Python takes for white space: four separators more than Go does.
func blank(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// show is the date a template prints for a request of that time.
func (d Date) show(now time.Time) string {
	if now.IsZero() {
		if d.Fixed != "" {
			return d.Fixed
		}
		now = time.Now()
	}
	return strftime(now, d.Format)
}

// strftime formats the directives that chat templates use; any other is kept as it stands.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		if layout, ok := directives[format[i]]; ok {
			b.WriteString(t.Format(layout))
			continue
		}
		switch format[i] {
		case '%':
			b.WriteByte('%')
		default:
			b.WriteString(format[i-1 : i+1])
		}
	}
	return b.String()
}

var directives = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'H': "15", 'I': "03",
	'j': "002", 'm': "01", 'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'Z': "MST", 'z': "-0700",
	'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04",
}
