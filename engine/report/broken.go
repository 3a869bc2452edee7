package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Broken is a scenario file that could not be played at all.
type Broken struct {
	File    string
	Message string // one line
	Text    string // the full description
}

// BrokenMarkdown says which files could not be played, and why.
func BrokenMarkdown(w io.Writer, broken []Broken) error {
	var b bytes.Buffer
	b.WriteString("## ERROR: nothing was played\n\n")
	for _, f := range broken {
		fmt.Fprintf(&b, "%s: %s.\n\n%s\n", mdCode(f.File), md(f.Message),
			mdBlock(strings.Split(strings.TrimRight(f.Text, "\n"), "\n")))
	}
	_, err := w.Write(b.Bytes())
	return err
}
