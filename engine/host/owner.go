package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/shirou/gopsutil/v4/process"
)

// forwarders are programs that listen on behalf of a server in a container or on another machine, and those that
// start them.
var forwarders = []string{"docker", "docker-proxy", "podman", "nerdctl", "conmon", "rootlessport", "rootlesskit",
	"pasta", "pasta.avx2", "slirp4netns", "ssh"}

// listening is one process that listens at an address; its id is 0 if it is not visible.
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
	all, err := socketsAt(ctx, port)
	if err != nil {
		return nil
	}
	var out []listening
	for _, s := range all {
		if !covers(s.ip, host) {
			continue
		}
		l := listening{pid: s.pid}
		if l.pid > 0 {
			l.command = commandName(l.pid)
		}
		out = append(out, l)
	}
	return out
}

// covers reports whether a process that listens at one address answers at another.
func covers(listens, asked string) bool {
	at, to := net.ParseIP(listens), net.ParseIP(asked)
	return at == nil || to == nil || at.IsUnspecified() || to.IsUnspecified() || at.Equal(to)
}

// owned says whether the listener is one of these processes or an invisible one, and else returns the foreign one.
// The processes of a container are invisible: its forwarder only shows that something listens.
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

// checkOwner makes sure that the process that answers at the address is the started one or one of its descendants: an
// older server answers in its place until the new one listens.
func (p *Proc) checkOwner(ctx context.Context) error {
	if p.spec.Address == "" {
		return nil
	}
	members := p.PIDs() // also before: a listener may end during the look-up
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

// Unseen reports that the process that answers is invisible, as in a container: it may not be the started one.
func (p *Proc) Unseen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unseen
}

// checkRecords makes sure that no server that homellm started has the address: it may have bound the port, and listen
// later.
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

// commandName is the name of a process, empty if it cannot be read. It has no arguments, because they may contain
// keys and paths.
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
