package listing

import (
	"fmt"
	"io"
	"strings"
)

// Explanation explains a word.
type Explanation struct {
	Schema   string    `json:"schema"`
	Word     string    `json:"word"`
	Meanings []Meaning `json:"meanings"`
}

// Meaning is one of its meanings. Fields that do not apply are empty.
type Meaning struct {
	Kind        string `json:"kind"` // metric, key, error_class, finding, function or exit_code
	Name        string `json:"name"`
	Description string `json:"description"`
	Unit        string `json:"unit,omitempty"`    // of a metric
	Formula     string `json:"formula,omitempty"` // of a metric
	Source      string `json:"source,omitempty"`  // of a metric
	File        string `json:"file,omitempty"`    // of a key: the kind of file or document that has it
	Path        string `json:"path,omitempty"`    // of a key
	Takes       string `json:"takes,omitempty"`   // of a key
	head        string
}

// Explain makes the explanation of a word from its meanings.
func Explain(word string, meanings []Meaning) Explanation {
	return Explanation{schemaOf("explain"), word, meanings}
}

// Titled returns the meaning with the line that is printed above it.
func (m Meaning) Titled(format string, args ...any) Meaning {
	m.head = fmt.Sprintf(format, args...)
	return m
}

// WriteText implements [Document].
func (d Explanation) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, m := range d.Meanings {
		fmt.Fprintf(&b, "%s\n  %s\n", m.head, m.Description)
		if m.Formula != "" {
			fmt.Fprintf(&b, "  formula: %s\n", m.Formula)
		}
		if m.Source != "" {
			fmt.Fprintf(&b, "  source: %s\n", m.Source)
		}
		if m.Takes != "" {
			fmt.Fprintf(&b, "  %s\n", m.Takes)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
