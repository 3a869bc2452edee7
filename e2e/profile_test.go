//go:build e2e && unix

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/host"
)

// twice asks about a text twice.
const twice = `schema: homellm.scenario/v1
name: twice
defaults: {timeout: 300s, request: {temperature: 0, seed: 1, max_tokens: 4}}
run: {warmup: 0, repeats: 1, isolation: {cache: none}}
conversations:
  - id: main
    steps:
      - {id: first, ask: %q, assert: [turn.ok]}
      - {id: again, ask: And again?, assert: [turn.ok, turn.cache.cached_tokens >= 128]}
`

// serve starts the profile ours with homellm serve and waits until it is ready. What it says on stderr can be read when
// it has ended.
func (p program) serve(t *testing.T) (serve *exec.Cmd, said *bytes.Buffer) {
	t.Helper()
	serve = p.command(t.Context(), "serve", "ours", "--servers", "servers.yaml", "--models", "models.yaml")
	said = &bytes.Buffer{}
	serve.Stderr = said
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "is ready at") {
			return serve, said
		}
	}
	_ = serve.Wait() // what it said is shown
	t.Fatalf("it is not ready:\n%s", said)
	return nil, nil
}

// byProfile has the profile ours started and ended by apply, and then kept by serve, used by apply and ended by stop.
func (p program) byProfile(t *testing.T) {
	t.Helper()
	p.write(t, "twice.yaml", fmt.Sprintf(twice, strings.Repeat("the river runs below the old stone bridge. ", 40)))
	for _, kept := range []bool{false, true} {
		out := map[bool]string{false: "out", true: "kept"}[kept]
		var serve *exec.Cmd
		var said *bytes.Buffer
		if kept {
			serve, said = p.serve(t)
		}
		code, printed := p.run(t, "apply", "twice.yaml", "--server", "ours", "--servers", "servers.yaml", "--models",
			"models.yaml", "--out", out)
		t.Logf("kept by serve: %v\n%s", kept, printed)
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
		started := false
		for _, e := range p.events(t, out) {
			if f, ok := e.Body.(event.Facts); ok && f.Values["load_ms"] > 0 {
				started = true
			}
		}
		if started == kept {
			t.Errorf("kept by serve: %v, and apply started it: %v", kept, started)
		}
		if kept {
			if code, printed := p.run(t, "stop", "ours"); code != 0 {
				t.Errorf("stop: exit code %d\n%s", code, printed)
			}
			if err := serve.Wait(); err != nil {
				t.Logf("serve, when its server was ended by another: %v\n%s", err, said)
			}
		}
		if left, err := host.Leftovers(filepath.Join(p.dir, "cache", "homellm", "servers")); err != nil || len(left) != 0 {
			t.Errorf("left over: %v, %v", left, err)
		}
	}
}
