package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"
)

// system reads the CPU and the memory of the machine, and of a server's processes.
type system struct {
	pids   func() []int
	cores  int
	busy   float64 // seconds of all cores, in the last sample
	total  float64
	looked bool
	server map[int32]*process.Process
	used   map[int32]float64 // CPU seconds of each in the last sample
	at     time.Time
	listed time.Time
}

// relist is how often the server's processes are listed again: it reads the whole process table.
const relist = 2 * time.Second

// read adds cpu.util_pct, mem.used_mib, cpu.server_pct and mem.server_mib to out. Shares are differences between two
// readings, so the first reading gives none.
func (s *system) read(ctx context.Context, out map[string]float64) {
	if times, err := cpu.TimesWithContext(ctx, false); err == nil && len(times) == 1 {
		t := times[0]
		idle := t.Idle + t.Iowait
		total := t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal + idle // User holds Guest on Linux
		busy := total - idle
		if s.looked && total > s.total && busy >= s.busy {
			out["cpu.util_pct"] = 100 * (busy - s.busy) / (total - s.total)
		}
		s.busy, s.total, s.looked = busy, total, true
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil && m.Total > 0 {
		// What is not available is in use; the page cache is available.
		out["mem.used_mib"] = float64(m.Total-m.Available) / (1 << 20)
	}
	if s.pids != nil {
		s.readServer(ctx, out)
	}
}

// readServer adds the use of the server's processes: CPU as a share of all cores, memory as the sum of their resident
// pages, in which shared pages count for each process.
func (s *system) readServer(ctx context.Context, out map[string]float64) {
	now := time.Now()
	if s.server == nil || now.Sub(s.listed) >= relist {
		s.list()
		s.listed = now
	}
	if len(s.server) == 0 {
		s.at = now
		return
	}
	grown, resident, known := 0.0, uint64(0), true
	for pid, p := range s.server {
		times, err := p.TimesWithContext(ctx)
		if err != nil {
			delete(s.server, pid) // it ended
			delete(s.used, pid)
			continue
		}
		seconds := times.User + times.System
		if before, ok := s.used[pid]; ok {
			grown += max(0, seconds-before)
		}
		s.used[pid] = seconds
		info, err := p.MemoryInfoWithContext(ctx)
		if err != nil {
			known = false
			continue
		}
		resident += info.RSS
	}
	if elapsed := now.Sub(s.at).Seconds(); !s.at.IsZero() && elapsed > 0 && s.cores > 0 {
		out["cpu.server_pct"] = 100 * grown / elapsed / float64(s.cores)
	}
	if known && resident > 0 {
		out["mem.server_mib"] = float64(resident) / (1 << 20)
	}
	s.at = now
}

// list finds the server's processes and keeps the state of the known ones.
func (s *system) list() {
	server, used := map[int32]*process.Process{}, map[int32]float64{}
	for _, pid := range s.pids() {
		id := int32(pid)
		p, ok := s.server[id]
		if !ok {
			var err error
			if p, err = process.NewProcess(id); err != nil {
				continue // it ended
			}
		}
		server[id] = p
		if seconds, ok := s.used[id]; ok {
			used[id] = seconds
		}
	}
	s.server, s.used = server, used
}

// Tree lists a process and its living descendants, for a server that homellm did not start.
func Tree(pid int) []int {
	if exists, err := process.PidExists(int32(pid)); err != nil || !exists {
		return nil
	}
	return append([]int{pid}, descendants(pid)...)
}

// Listener finds the process that listens on a TCP port of this machine; false if there is none or the operating
// system does not say, as for other users' processes.
func Listener(ctx context.Context, port int) (pid int, command string, ok bool) {
	all, err := socketsAt(ctx, port)
	i := slices.IndexFunc(all, func(s socket) bool { return s.pid > 0 })
	if err != nil || i < 0 {
		return 0, "", false
	}
	return all[i].pid, commandName(all[i].pid), true
}

// DiskFree is the number of free bytes for this user on the disk of path.
func DiskFree(path string) (uint64, error) {
	usage, err := disk.Usage(path)
	if err != nil {
		return 0, fmt.Errorf("asking for free disk space: %w", err)
	}
	return usage.Free, nil
}
