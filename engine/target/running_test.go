//go:build unix

package target

import (
	"path/filepath"
	"strings"
	"testing"

	"homellm/dsl"
	"homellm/engine/host"
)

// A server that has ended is never taken for one that runs, however little one waits, and whatever code it ended with.
func TestDied_WithoutPatience(t *testing.T) {
	p, err := host.Start(t.Context(), host.Spec{
		Name: "ends", Argv: []string{"sh", "-c", "echo the end"}, Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	<-p.Exited()
	r := &Running{Profile: &dsl.Server{Name: "ends", Launch: &dsl.Launch{}}, proc: p}
	for range 100 {
		err := r.Died(0)
		if err == nil {
			t.Fatal("it has ended and is taken for one that runs")
		}
		if log := LogOf(err); !strings.Contains(err.Error(), "exited with code 0") || len(log) != 1 || log[0] != "the end" {
			t.Fatalf("got %v, log %q", err, log)
		}
	}
}
