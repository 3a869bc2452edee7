//go:build fleet && unix

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/results"
)

// abServers are two equal servers and one that caches nothing.
const abServers = `schema: homellm.servers/v1
servers:
  left: {extends: sim, launch: {command: [homellm, sim], flags: {port: '${port}', speed: 20}}}
  right: {extends: left}
  uncached: {extends: left, launch: {flags: {no_prefix_cache: true}}}
`

const abGates = `schema: homellm.gates/v1
compare:
  - {name: hits, metric: run.cache.hit_rate, stat: mean, max_worse_abs: 0.05}
`

const abPlan = `schema: homellm.scenario/v1
name: small
defaults: {request: {temperature: 0, seed: 1, max_tokens: 2}}
run: {warmup: 0, repeats: 1, isolation: {cache: salt}}
matrix: {n: [1, 2, 3]}
conversations:
  - id: main
    system: You answer from the documents you are given, in one sentence, number ${matrix.n}.
    steps:
      - {id: hello, ask: How tight are the bolts?}
      - {id: again, continue: Where does the pump stand?}
`

// TestFleet_AB compares two servers on the boxes of a fleet: both are played in turn on the same box, and the verdict
// is that of this machine alone.
func TestFleet_AB(t *testing.T) {
	r := newFleetRig(t)
	r.write("config/homellm/servers.yaml", abServers)
	r.write("gates.yaml", abGates)
	r.write("ab.yaml", abPlan)
	r.join("attic")
	r.join("cellar")
	r.boxes(2)
	onFleet := []string{"--fleet", "nats://" + r.address, "--key", "store/operator.key"}
	for b, want := range map[string]string{"right": "not seen", "uncached": "worse"} {
		ab := []string{"ab", "--a", "left", "--b", b, "--gates", "gates.yaml", "--repeats", "10", "ab.yaml", "--quiet",
			"--out"}
		here, out, errs := r.run(append(ab, "here-"+b)...)
		if !strings.Contains(out, want) {
			t.Fatalf("exit code %d\n%s%s", here, out, errs)
		}
		there, fleetOut, errs := r.run(append(slices.Concat(ab, []string{"there-" + b}), onFleet...)...)
		if here != there || strings.Count(fleetOut, want) != strings.Count(out, want) {
			t.Errorf("exit code %d here and %d on the fleet\n%s%s%s", here, there, out, fleetOut, errs)
		}
		_, fold, err := results.Read(filepath.Join(r.dir, "there-"+b))
		if err != nil || len(fold.Cells) != 6 {
			t.Fatalf("%d cells, %v", len(fold.Cells), err)
		}
		for _, c := range fold.Cells {
			i := slices.IndexFunc(fold.Cells, func(other *metrics.Cell) bool {
				return other != c && slices.Equal(other.Planned.Labels[1:], c.Planned.Labels[1:])
			})
			other := fold.Cells[i]
			if c.Started.Box.Name != other.Started.Box.Name {
				t.Errorf("%v was played on %s, and %v on %s", c.Planned.Labels, c.Started.Box.Name, other.Planned.Labels,
					other.Started.Box.Name)
			}
			if order := inTurns(c, other); !strings.HasPrefix(order, "ABBAABBA") && !strings.HasPrefix(order, "BAABBAAB") {
				t.Errorf("%v and its pair were played as %s", c.Planned.Labels, order)
			}
		}
	}

	if code, _, errs := r.run(append([]string{"ab", "--a", "left", "--b", "right", "ab.yaml", "--budget", "1m"},
		onFleet...)...); code != 2 || !strings.Contains(errs, "budget") {
		t.Errorf("with a budget: exit code %d\n%s", code, errs)
	}
}

// inTurns is in which order the repeats of two cells were played, as ABBA.
func inTurns(a, b *metrics.Cell) (order string) {
	all := slices.Concat(a.Requests, b.Requests)
	first := slices.DeleteFunc(all, func(q *event.Request) bool { return q.Step != "hello" })
	slices.SortFunc(first, func(x, y *event.Request) int { return int(x.Due - y.Due) })
	for _, q := range first {
		if slices.Contains(a.Requests, q) {
			order += "A"
		} else {
			order += "B"
		}
	}
	return order
}
