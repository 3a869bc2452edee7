package report

import (
	"bytes"
	"fmt"
	"strings"

	"homellm/engine/metrics"
	"homellm/engine/report/readable"
)

// screen is the terminal report while it is written.
type screen struct {
	b     *bytes.Buffer
	width int
	color bool
	dir   string
}

// newScreen is an empty screen.
func newScreen(b *bytes.Buffer, opt Options) *screen {
	s := &screen{b: b, width: opt.Width, color: opt.Color, dir: opt.Dir}
	if s.width <= 0 {
		s.width = 100
	}
	return s
}

func (s *screen) line(format string, args ...any) {
	s.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// apart prints two texts at the two edges of the screen, or below each other if they do not fit.
func (s *screen) apart(left, right string) {
	room := s.width - readable.Width(left) - readable.Width(right)
	switch {
	case right == "":
		s.line("%s", left)
	case room < 2:
		s.line("%s\n  %s", left, right)
	default:
		s.line("%s%*s%s", left, room, "", right)
	}
}

// prose prints text from outside, wrapped between words at the edge of the screen.
func (s *screen) prose(indent int, text string) {
	line := ""
	for word := range strings.SplitSeq(terminal(text), " ") {
		if line != "" && readable.Width(line)+1+readable.Width(word)+indent > s.width {
			s.line("%*s%s", indent, "", line)
			line, indent = word, max(indent, 4)
			continue
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	s.line("%*s%s", indent, "", line)
}

// grid prints columns without lines, text aligned left and numbers aligned right.
func (s *screen) grid(head []string, rows [][]string, left int) error {
	text, err := fitted(s.width-1, head, rows, left)
	if err != nil {
		return err
	}
	for l := range strings.Lines(text) {
		s.line(" %s", strings.TrimRight(l, "\n"))
	}
	return nil
}

// Colours of the verdicts, as SGR numbers.
const (
	red    = 31
	green  = 32
	yellow = 33
)

var colors = map[metrics.Judged]int{
	metrics.Passed: green, metrics.Failed: red, metrics.Unknown: yellow, metrics.Allowed: yellow, metrics.Warned: yellow,
	metrics.Skipped: yellow,
}

func (s *screen) paint(text string, color int) string {
	if !s.color {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text)
}
