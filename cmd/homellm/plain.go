package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"homellm/engine/text"
)

// repaint is the beginning of a terminal's progress line.
const repaint = "\r\x1b[K"

// plain makes the control characters of its input visible, so that a terminal does not act on them: messages and
// plans contain text of scenarios, servers and models. Line breaks, tabs and the beginning of a progress line pass.
type plain struct{ w io.Writer }

func (p plain) Write(b []byte) (int, error) {
	out := []byte{}
	rest := b
	if bytes.HasPrefix(b, []byte(repaint)) {
		out, rest = append(out, repaint...), b[len(repaint):]
	}
	for _, r := range string(rest) {
		if r == '\n' || r == '\t' || !text.Acts(r) {
			out = fmt.Appendf(out, "%c", r)
			continue
		}
		out = append(out, text.Visible(r)...)
	}
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// say prints a message to stderr. It may have several lines, such as the end of a server's log. Its later lines
// cannot be taken for messages of homellm, nor for commands of a CI runner that reads the log.
func (p process) say(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintf(p.stderr, "homellm: %s\n", strings.ReplaceAll(text, "\n", "\n| "))
}

// sayPath prints a path for programs that use it. Characters that cannot be part of a name are made visible.
func (p process) sayPath(format, path string) {
	fmt.Fprintf(plain{p.stdout}, format+"\n", strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(path))
}

// inTurn lets one write at a time pass: progress and notes come from several goroutines, and not every writer can take
// that. A note clears the progress line where it is written.
type inTurn struct {
	mu      sync.Mutex
	w       io.Writer
	painted bool // a progress line is shown
}

func (t *inTurn) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	painting := bytes.HasPrefix(b, []byte(repaint))
	if t.painted && !painting {
		if _, err := t.w.Write([]byte(repaint)); err != nil {
			return 0, err
		}
	}
	t.painted = painting && len(b) > len(repaint)
	return t.w.Write(b)
}
