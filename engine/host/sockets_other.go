//go:build !linux

package host

import (
	"context"

	gopsnet "github.com/shirou/gopsutil/v4/net"
)

// socketsAt are the sockets that listen at a port.
func socketsAt(ctx context.Context, port int) ([]socket, error) {
	all, err := gopsnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	var out []socket
	for _, c := range all {
		if c.Status == "LISTEN" && int(c.Laddr.Port) == port {
			out = append(out, socket{ip: c.Laddr.IP, pid: int(c.Pid)})
		}
	}
	return out, nil
}
