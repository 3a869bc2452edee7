package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Write writes the file: indented, with one metric's values on one line, so that diffs are readable.
func (b *Baseline) Write(w io.Writer) error {
	out := *b
	out.Metrics = nil
	head, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fmt.Errorf("writing a baseline: %w", err)
	}
	text := strings.TrimSuffix(string(head), "null\n}")
	if _, err := io.WriteString(w, text+"{\n"); err != nil {
		return err
	}
	for i, path := range b.Paths() {
		line, err := json.Marshal(b.Metrics[path])
		if err != nil {
			return fmt.Errorf("writing a baseline: %s: %w", path, err)
		}
		comma := ","
		if i == len(b.Metrics)-1 {
			comma = ""
		}
		if _, err := fmt.Fprintf(w, "    %q: %s%s\n", path, line, comma); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "  }\n}\n")
	return err
}

// ReadBaseline reads a file that [Baseline.Write] wrote. The schema checks its shape; this function checks that its
// parts are consistent.
func ReadBaseline(data []byte) (*Baseline, error) {
	b := &Baseline{}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("not a baseline: %w", err)
	}
	switch {
	case b.Schema != BaselineSchema:
		return nil, fmt.Errorf("the schema is %q, not %q", b.Schema, BaselineSchema)
	case b.Recorded.IsZero():
		return nil, errors.New("it does not say when it was recorded")
	case len(b.Metrics)+len(b.Figures) == 0:
		return nil, errors.New("it holds no metric")
	case len(b.Fingerprint) == 0:
		return nil, errors.New("it has no fingerprint")
	}
	for _, path := range b.Paths() {
		if m := b.Metrics[path]; len(m.Values)+len(m.Hidden) == 0 {
			return nil, fmt.Errorf("%s has no values", path)
		}
	}
	return b, nil
}
