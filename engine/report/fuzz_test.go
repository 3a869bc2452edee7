package report

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"homellm/engine/compare"
	"homellm/engine/event"
	"homellm/engine/metrics"
)

// FuzzJournal folds and renders what a stranger may have written into a journal: no number, however
// odd, makes a report panic, hang or act.
func FuzzJournal(f *testing.F) {
	for _, pattern := range []string{"*.jsonl", "older/*.jsonl"} {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, path := range files {
			raw, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(shortened(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 {
			return
		}
		r := &metrics.Run{}
		for e, err := range event.Read(bytes.NewReader(raw)) {
			if err != nil {
				break
			}
			r.Add(e)
		}
		if len(r.Cells) == 0 {
			return // refused before a report is made
		}
		for _, format := range Formats {
			var b bytes.Buffer
			if err := format.Write(&b, r, Options{Width: 80}); err == nil {
				harmless(t, format.Name, b.String())
			}
		}
		var b bytes.Buffer
		if err := Difference(&b, r, r, Options{}); err != nil {
			t.Log(err)
		}
		rules := compare.DefaultRules()
		for _, c := range r.Cells {
			rules.Compare(c.Name(), compare.Measured(c, "a"), compare.Measured(c, "b"), r.Started.Started)
		}
	})
}

// shortened is the beginning of a journal up to a size that is soon mutated, with its last lines.
func shortened(raw []byte) []byte {
	const size = 12 << 10
	if len(raw) <= size {
		return raw
	}
	return raw[:bytes.LastIndexByte(raw[:size], '\n')+1]
}
