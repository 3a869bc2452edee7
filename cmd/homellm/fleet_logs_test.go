//go:build fleet && unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// talkingServers are a server that prints a secret of the box and more than a message can carry, and one that does not
// start.
var talkingServers = startedServers("quick",
	`[sh, -c, 'seq 200000; echo "the key is $HF_TOKEN"; exec homellm sim "$@"', sh]`) + `  broken:
    extends: quick
    launch:
      command: [sh, -c, 'echo "there is no card"; exit 3', sh]
`

// talkingPlan has a cell on each of them.
const talkingPlan = `schema: homellm.scenario/v1
name: talking
defaults: {request: {temperature: 0, seed: 1, max_tokens: 8}}
run: {warmup: 0, repeats: 1, isolation: {cache: salt}}
matrix: {server: [quick, broken], model: [qwen2.5-3b]}
conversations: [{id: main, steps: [{id: hello, ask: Hello?, assert: [turn.ok]}]}]
`

// TestFleet_ServerLogs has the logs of the servers that a box started come with the results if the operator asks for
// them, and not otherwise: their ends, without known secrets.
func TestFleet_ServerLogs(t *testing.T) {
	r := newFleetRig(t)
	r.env = append(r.env, "HF_TOKEN="+planted)
	r.write("config/homellm/servers.yaml", talkingServers)
	r.write("fleet.yaml", talkingPlan)
	r.join("attic")
	r.boxes(1)
	for _, tt := range []struct {
		out   string
		flags []string
		logs  int
	}{{"without", nil, 0}, {"with", []string{"--server-logs"}, 2}} {
		code, out, errs := r.run(append(r.onFleet(tt.out), tt.flags...)...)
		if code != 5 {
			t.Errorf("%s: exit code %d\n%s%s", tt.out, code, out, errs)
		}
		found, err := filepath.Glob(filepath.Join(r.dir, tt.out, "server-*.log"))
		if err != nil || len(found) != tt.logs {
			t.Errorf("%s: logs %v, %v", tt.out, found, err)
		}
	}
	for server, wants := range map[string][]string{
		"quick":  {"(box attic left out the first ", " bytes of this log)\n1", "\n200000\nthe key is [key]\n"},
		"broken": {"there is no card\n"},
	} {
		found, err := filepath.Glob(filepath.Join(r.dir, "with", "server-"+server+"-attic-*.log"))
		if err != nil || len(found) != 1 {
			t.Errorf("logs of %s: %v, %v", server, found, err)
			continue
		}
		data, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		hidden(t, planted, server, string(data))
		for _, want := range wants {
			if !strings.Contains(string(data), want) {
				t.Errorf("the log of %s lacks %q:\n%.200s\n… %s", server, want, data, data[max(0, len(data)-200):])
			}
		}
		if len(data) > 600_000 {
			t.Errorf("the log of %s has %d bytes", server, len(data))
		}
	}
	if code, _, errs := r.run("apply", "fleet.yaml", "--server-logs"); code != 2 || !strings.Contains(errs,
		"has the logs of its servers in its results") {
		t.Errorf("without a fleet: exit code %d\n%s", code, errs)
	}
}
