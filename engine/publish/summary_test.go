package publish

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// GitHub refuses a summary of more than 1 MiB altogether: what would not fit is left out whole, and
// said. What other steps wrote there counts too.
func TestAppendSummary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.md")
	add := func(size int) {
		if err := appendSummary(path, "fail", func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "report of %d %s", size, strings.Repeat("x", size))
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{600_000, 600_000, 1000, 447_000, 447_000} {
		add(size)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > summaryLimit || strings.Count(string(text), "report of 600000") != 1 ||
		strings.Count(string(text), "report of 1000 ") != 1 ||
		strings.Count(string(text), "## FAIL\n\nThe report is too long for a summary") != 2 {
		t.Errorf("%d bytes, %d reports of 600,000", len(text), strings.Count(string(text), "report of 600000"))
	}
}
