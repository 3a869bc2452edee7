package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	gopsnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// forwarders are programs that listen for a server in a container or on another machine, and those that start them.
var forwarders = []string{"docker", "docker-proxy", "podman", "nerdctl", "conmon", "rootlessport", "rootlesskit",
	"pasta", "pasta.avx2", "slirp4netns", "ssh"}

// listening is one process that listens at an address; its id is 0 where it cannot be seen.
type listening struct {
	pid     int
	command string
}

// listeners are the processes that listen at an address of this machine.
func listeners(ctx context.Context, address string) []listening {
	host, text, err := net.SplitHostPort(address)
	port, notPort := strconv.Atoi(text)
	if err != nil || notPort != nil {
		return nil
	}
	all, err := gopsnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return nil
	}
	var out []listening
	for _, c := range all {
		if c.Status != "LISTEN" || int(c.Laddr.Port) != port || !covers(c.Laddr.IP, host) {
			continue
		}
		l := listening{pid: int(c.Pid)}
		if l.pid > 0 {
			l.command = commandName(l.pid)
		}
		out = append(out, l)
	}
	return out
}

// covers reports whether who listens at one address answers at another.
func covers(listens, asked string) bool {
	at, to := net.ParseIP(listens), net.ParseIP(asked)
	return at == nil || to == nil || at.IsUnspecified() || to.IsUnspecified() || at.Equal(to)
}

// owned says whether what listens is one of these processes, one that cannot be seen, or the foreign one that it
// returns. A container's processes are none of ours: who forwards to it says no more than that something does.
func owned(all []listening, members []int, command string) (seen bool, foreign *listening) {
	forwards := func(name string) bool { return slices.Contains(forwarders, filepath.Base(name)) }
	for _, l := range all {
		switch {
		case slices.Contains(members, l.pid):
			return true, nil
		case l.pid > 0 && !forwards(l.command) && !forwards(command):
			foreign = &l
		}
	}
	return foreign != nil, foreign
}

// checkOwner makes sure that what answers at the address is the process that was started, or one of its descendants:
// one that was there before answers in its place for as long as ours is not there yet.
func (p *Proc) checkOwner(ctx context.Context) error {
	if p.spec.Address == "" {
		return nil
	}
	members := p.PIDs() // before as well: who listens may end while it is looked for
	all := listeners(ctx, p.spec.Address)
	seen, foreign := owned(all, append(members, p.PIDs()...), p.spec.Argv[0])
	if foreign != nil {
		return fmt.Errorf("starting %s: %w", p.spec.Name, &PortError{Address: p.spec.Address, err: fmt.Errorf(
			"process %d (%s) answers there, and it is not the one that was started", foreign.pid, foreign.command)})
	}
	p.mu.Lock()
	p.unseen = !seen
	p.mu.Unlock()
	return nil
}

// Unseen reports that which process answers cannot be seen, as behind a container: it may be another one than was
// started.
func (p *Proc) Unseen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unseen
}

// checkRecords makes sure that no server that homellm started has the address: it may have bound the port, and
// listen there later.
func checkRecords(dir, address string) error {
	if dir == "" || address == "" {
		return nil
	}
	left, err := Leftovers(dir)
	if err != nil {
		return err
	}
	for _, l := range left {
		if l.Address == address {
			return &PortError{Address: address, err: errors.New("a server that homellm started has this address")}
		}
	}
	return nil
}

// commandName is the name of a process, empty if it cannot be read. Arguments are left out: they
// may hold keys and paths.
func commandName(pid int) string {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return ""
	}
	name, err := p.Name()
	if err != nil {
		return ""
	}
	return name
}
