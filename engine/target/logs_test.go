package target

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A search starts its servers many times: of each, only the log of the latest start is kept.
func TestLogs_Latest(t *testing.T) {
	for latest, want := range map[bool]string{
		false: "[server-a-2.log server-a-3.log server-a.log server-b.log]",
		true:  "[server-a.log server-b.log]",
	} {
		l := Logs{State: t.TempDir(), Results: t.TempDir(), Latest: latest}
		for i, name := range []string{"a", "b", "a", "a"} {
			written, _, err := l.file(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(written, fmt.Appendf(nil, "first\nstart %d\n", i), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l.Keep(t.Logf)
		found, err := filepath.Glob(filepath.Join(l.Results, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range found {
			found[i] = filepath.Base(path)
		}
		if fmt.Sprint(found) != want {
			t.Errorf("kept %v, want %s", found, want)
		}
		if lines := LastLines(l.Results, "b"); !slices.Equal(lines, []string{"first", "start 1"}) {
			t.Errorf("the last lines are %q", lines)
		}
		if left, err := os.ReadDir(l.State); err != nil || len(left) > 0 {
			t.Errorf("%v are left behind, %v", left, err)
		}
	}
}
