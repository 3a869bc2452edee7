//go:build fleet && unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// natsCluster is three NATS servers with the configuration of docs/examples/fleet, each a process of its own.
type natsCluster struct {
	fleetRig
	brokers []*exec.Cmd
	monitor []string // addresses at which the servers tell of themselves
}

// newNATSCluster builds the NATS server of the module in go.mod and starts it three times.
func newNATSCluster(t *testing.T) natsCluster {
	t.Helper()
	c := natsCluster{fleetRig: fleetRig{program: newProgram(t, map[string]string{"fleet.yaml": fleetPlan,
		"docs/manual.txt": strings.Repeat("Tighten the screw with a torque of 41. ", 60)})}}
	server := filepath.Join(c.dir, "nats-server")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", server, "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var clients, routes []string
	for range 3 {
		clients, routes = append(clients, freeAddress(t)), append(routes, freeAddress(t))
		c.monitor = append(c.monitor, freeAddress(t))
	}
	c.address = strings.Join(clients, ",nats://")
	if code, _, errs := c.run("fleet", "key", "init", "nats://"+c.address, "--store", "store"); code != 0 {
		t.Fatal(errs)
	}
	config, err := os.ReadFile("../../docs/examples/fleet/nats-server.conf")
	if err != nil {
		t.Fatal(err)
	}
	port := func(address string) string {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	for i := range clients {
		of := fmt.Sprintf("store/nats%d.conf", i)
		text := strings.Replace(string(config), "store_dir: /data", fmt.Sprint("store_dir: data", i), 1)
		if text == string(config) {
			t.Fatal("the configuration does not say where streams are stored")
		}
		if err := os.WriteFile(filepath.Join(c.dir, of), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		broker := exec.CommandContext(t.Context(), server, "--config", of, "--name", fmt.Sprint("nats-", i),
			"--addr", "127.0.0.1", "--port", port(clients[i]), "--cluster", "nats://"+routes[i],
			"--routes", "nats://"+strings.Join(routes, ",nats://"), "--http_port", port(c.monitor[i]),
			"--log", fmt.Sprint("nats", i, ".log"))
		broker.Dir = c.dir
		if err := broker.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = broker.Process.Kill() // it may have been killed
			_ = broker.Wait()
			if log, err := os.ReadFile(filepath.Join(c.dir, fmt.Sprint("nats", i, ".log"))); err == nil && t.Failed() {
				t.Logf("broker %d:\n%s", i, log)
			}
		})
		c.brokers = append(c.brokers, broker)
	}
	c.until("the cluster takes the streams of a fleet", func() bool {
		code, _, _ := c.run("fleet", "status", "--key", "store/operator.key")
		return code == 0
	})
	return c
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// tells is what a broker says of itself.
func (c natsCluster) tells(broker int, path string) string {
	c.t.Helper()
	return answerOf(c.t, "http://"+c.monitor[broker]+path)
}

// TestFleet_Cluster plays on a cluster of three NATS servers, one of which is killed in the run: the run is the same as
// one that is played here.
func TestFleet_Cluster(t *testing.T) {
	c := newNATSCluster(t)
	streams := c.tells(0, "/jsz?accounts=true&streams=true&config=true")
	three, all := strings.Count(streams, `"num_replicas": 3`), strings.Count(streams, `"num_replicas":`)
	if three < 5 || three != all {
		t.Errorf("%d of %d streams have three replicas\n%s", three, all, streams)
	}
	c.join("attic")
	c.join("cellar")
	c.boxes(2)
	run, _, errs := c.command(c.onFleet("there")...)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	c.untilCellDone("there")
	killed := c.leader()
	if err := c.brokers[killed].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err := run.Wait()
	here, _, _ := c.run("apply", "fleet.yaml", "--out", "here", "--quiet")
	if code := run.ProcessState.ExitCode(); code != here {
		t.Errorf("exit code %d on the fleet and %d here: %v\n%s", code, here, err, errs)
	}
	want, _ := toldOf(t, filepath.Join(c.dir, "here"))
	got, _ := toldOf(t, filepath.Join(c.dir, "there"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the run on the fleet differs (-here +there):\n%s", d)
	}
	c.boxes(2) // both are there without one of the brokers
}

// leader is the broker that leads the stream of the journals.
func (c natsCluster) leader() int {
	c.t.Helper()
	streams := c.tells(0, "/jsz?accounts=true&streams=true")
	_, of, _ := strings.Cut(streams, `"name": "FLEET_PLAYS"`)
	_, name, _ := strings.Cut(of, `"leader": "nats-`)
	if name == "" || !strings.Contains("012", name[:1]) {
		c.t.Fatalf("nobody leads FLEET_PLAYS\n%s", streams)
	}
	return int(name[0] - '0')
}
