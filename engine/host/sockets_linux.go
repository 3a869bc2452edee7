package host

import (
	"bufio"
	"context"
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"strings"
)

// socketsAt are the sockets that listen at a port. The kernel lists those before all connections, of which a machine
// may have thousands, and walks through a large table for these: they are not read.
func socketsAt(_ context.Context, port int) ([]socket, error) {
	var out []socket
	byInode := map[string]int{}
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(path)
		if err != nil {
			continue // a kernel without this version of IP
		}
		lines := bufio.NewScanner(f)
		lines.Scan() // its head
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != "0A" { // TCP_LISTEN
				break
			}
			ip, at, ok := hexAddress(fields[1])
			if ok && at == port {
				byInode["socket:["+fields[9]+"]"] = len(out)
				out = append(out, socket{ip: ip})
			}
		}
		err = lines.Err()
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	processes, err := names("/proc")
	if err != nil {
		return nil, err
	}
	for _, process := range processes {
		pid, err := strconv.Atoi(process)
		if err != nil {
			continue // a file of something else
		}
		fds := "/proc/" + process + "/fd/"
		open, _ := names(fds) // it has ended, or another user's cannot be looked at
		for _, fd := range open {
			target, _ := os.Readlink(fds + fd) // it was closed
			if i, ok := byInode[target]; ok && (out[i].pid == 0 || pid < out[i].pid) {
				out[i].pid = pid // the oldest of several that share it
			}
		}
	}
	return out, nil
}

func names(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// hexAddress reads an address as the kernel writes it: each word of four bytes backwards, then the port.
func hexAddress(text string) (ip string, port int, ok bool) {
	host, after, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(after, 16, 16)
	raw, wrong := hex.DecodeString(host)
	if err != nil || wrong != nil || len(raw) != net.IPv4len && len(raw) != net.IPv6len {
		return "", 0, false
	}
	address := make(net.IP, len(raw))
	for i, b := range raw {
		address[i/4*4+3-i%4] = b
	}
	return address.String(), int(n), true
}
