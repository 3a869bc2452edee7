//go:build fleet && unix

package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startedServer is a profile whose server is a process: the simulator, with replies slow enough to be met.
var startedServer = startedServers("quick", "[homellm, sim]") + "        speed: 0.6\n"

// startedPlan has three jobs, none of whose turns may take more than 8 seconds.
var startedPlan = strings.Replace(killsPlan(4), "defaults: {", "defaults: {timeout: 8s, ", 1)

// startedBy is a server that a player started.
type startedBy struct {
	Owner   int    `json:"owner"` // the player
	Address string `json:"address"`
}

// there says whether the server still listens.
func (s startedBy) there() bool {
	c, err := net.DialTimeout("tcp", s.Address, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close() // nothing was sent
	return true
}

// inTurnOf waits until the player of a box is in a turn that is measured, and returns what it started.
func (r fleetRig) inTurnOf(box string) (s startedBy) {
	r.t.Helper()
	r.inTurn(box)
	r.until("a request is running", func() bool {
		found, err := filepath.Glob(filepath.Join(r.dir, "cache/homellm/servers/*.json"))
		if err != nil || len(found) != 1 {
			return false
		}
		data, err := os.ReadFile(found[0])
		return err == nil && json.Unmarshal(data, &s) == nil &&
			running.MatchString(answerOf(r.t, "http://"+s.Address+"/metrics"))
	})
	return s
}

// running is what a server says of itself while it answers a request.
var running = regexp.MustCompile(`(?m)^vllm:num_requests_running\S* 1(\.0)?$`)

// answerOf is what a server answers; empty: nothing.
func answerOf(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return string(data)
}

// elsewhere is the rig with a folder of its own for what is started, as another machine has one.
func (r fleetRig) elsewhere(name string) fleetRig {
	r.env = append(slices.Clone(r.env), "XDG_CACHE_HOME="+filepath.Join(r.dir, name))
	return r
}

// TestFleet_LostPlayer stops or kills the process that plays a job in the middle of a measured turn, while all
// connections stay open. The box does not answer for the job longer than its turn may take, the player and its server
// are ended, the job is played again, and the run is the same as one that was not disturbed.
func TestFleet_LostPlayer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lose   func(worker *kept, player int) error
		other  bool // another box comes, which plays the job
		says   string
		slowly bool
	}{
		{"stopped", func(_ *kept, player int) error { return syscall.Kill(player, syscall.SIGSTOP) }, true,
			"it gave no sign of life within the time-out of its request", true},
		{"killed", func(_ *kept, player int) error { return syscall.Kill(player, syscall.SIGKILL) }, false,
			"the process of the job ended: signal: killed", false},
		{"killed with its worker", func(worker *kept, player int) error {
			worker.kill()
			return syscall.Kill(player, syscall.SIGKILL)
		}, false, "the worker before this one was killed while it played", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slowly {
				long(t)
			}
			t.Parallel()
			r := newFleetRig(t)
			here := r.elsewhere("alone").undisturbedOn(startedServer, startedPlan)
			worker := r.keep("attic", never, func() []string { return r.joining("attic") })
			r.boxes(1)
			run := r.apply(r.address)
			lost := r.inTurnOf("attic")
			if err := tt.lose(worker, lost.Owner); err != nil {
				t.Fatal(err)
			}
			if tt.other {
				r.elsewhere("other").keep("cellar", never, func() []string { return r.joining("cellar") })
			}
			if again := r.same(here, run); again == 0 {
				t.Error("no attempt is noted")
			}
			r.until("the player says how it was lost", func() bool { return worker.says(tt.says) > 0 })
			r.until("the lost player has ended", func() bool { return syscall.Kill(lost.Owner, 0) != nil })
			r.until("its server has ended", func() bool { return !lost.there() })
		})
	}
}
