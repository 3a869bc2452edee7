package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"homellm/engine/text"
)

// Text of scenarios, servers and models passes through one of these functions into a report; each makes it harmless
// for one format.

// terminal makes control characters, escape sequences and marks that change the direction of text visible, so that a
// terminal does not act on them. A line break is made visible as well: one call is one line. So are the workflow
// commands that GitHub's runner reads from the log of a step, because any terminal may be that log.
func terminal(s string) string {
	if strings.Contains(s, "##[") || strings.Contains(s, "::") {
		s = runnerCommand.ReplaceAllString(strings.ReplaceAll(s, "##[", `#\x23[`), `:\x3a$1`)
	}
	if !strings.ContainsFunc(s, text.Acts) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !text.Acts(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case r == '\r':
			b.WriteString(`\r`)
		default:
			b.WriteString(text.Visible(r))
		}
	}
	return b.String()
}

// runnerCommand matches the beginning of a workflow command: ::name or ::name key=value before ::.
var runnerCommand = regexp.MustCompile(`::([A-Za-z][A-Za-z-]*(?:\s[^\n]*?)?::)`)

// jsonText escapes the characters of a JSON document that a terminal would act on. They occur in strings only, where
// the escape has the same meaning.
func jsonText(raw []byte) []byte {
	if !bytes.ContainsFunc(raw, func(r rune) bool { return r != '\n' && text.Acts(r) }) {
		return raw
	}
	var out []byte
	for _, r := range string(raw) {
		if r != '\n' && text.Acts(r) {
			for _, unit := range utf16.AppendRune(nil, r) {
				out = fmt.Appendf(out, `\u%04x`, unit)
			}
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// WriteJSON writes a document as indented JSON that is safe for a terminal.
func WriteJSON(w io.Writer, document any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(document); err != nil {
		return fmt.Errorf("encoding the document: %w", err)
	}
	_, err := w.Write(jsonText(b.Bytes()))
	return err
}

// special lists the characters that format in the middle of a line of Markdown. Those that format at the start of a
// line are not in it, because such text is never at the start.
const special = "\\`*_[]|~$"

// joiner is an invisible character that prevents mentions, issue references and links.
const joiner = "\u2060"

var (
	entities = strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;")
	words    = strings.NewReplacer("@", "@"+joiner, "#", "#"+joiner, "://", ":"+joiner+"//", "www.", "www"+joiner+".")
)

// md is text for the middle of a line of Markdown, without formatting, links or mentions.
func md(s string) string {
	var b strings.Builder
	for _, r := range terminal(s) {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return words.Replace(entities.Replace(b.String()))
}

// mdCode is text as a code span that also works in a table.
func mdCode(s string) string {
	s = strings.TrimSpace(strings.ReplaceAll(terminal(s), "|", `\|`))
	if s == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// mdBlock is lines of text as a code block.
func mdBlock(lines []string) string {
	longest := 2
	var b strings.Builder
	for _, l := range lines {
		l = terminal(l)
		longest = max(longest, longestRun(l, '`'))
		b.WriteString(l + "\n")
	}
	fence := strings.Repeat("`", longest+1)
	return fence + "text\n" + b.String() + fence + "\n"
}

func longestRun(s string, of rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != of {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// csvText is text for a spreadsheet, never a formula.
func csvText(s string) string {
	s = terminal(s)
	if t := strings.TrimLeft(s, " "); t != "" && strings.ContainsRune("=+-@", rune(t[0])) { // some programs trim
		return "'" + s
	}
	return s
}
