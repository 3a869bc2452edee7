package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// members lists the living processes of the family: those in the group, and those with its marker. A zombie does not
// count: its parent may never reap it, and it holds no resources.
func (f family) members() []int {
	var alive []int
	for _, pid := range allPIDs() {
		stat, err := readStat(pid)
		if err != nil || stat.state == "Z" || stat.state == "X" {
			continue // it ended meanwhile
		}
		if f.group > 1 && stat.group == f.group || f.token != "" && marked(pid, f.token) {
			alive = append(alive, pid)
		}
	}
	return alive
}

func allPIDs() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// descendants lists the living descendants of a process. It reads the process table once, however many generations
// there are, because telemetry asks again and again while a server is measured.
func descendants(pid int) []int {
	children := map[int][]int{}
	for _, other := range allPIDs() {
		if stat, err := readStat(other); err == nil { // else it ended meanwhile
			children[stat.parent] = append(children[stat.parent], other)
		}
	}
	all := slices.Clone(children[pid])
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// marked reports whether a process was started with the marker in its environment. The environment of another user's
// process cannot be read; such a process is not in the family.
func marked(pid int, token string) bool {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(v []byte) bool {
		return string(v) == marker+"="+token
	})
}

// stat is the part of /proc/PID/stat that is needed here.
type stat struct {
	state  string
	parent int
	group  int
	start  string // clock ticks from the start of the machine to that of the process
}

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name is in brackets and may contain anything, including brackets and spaces.
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("reading /proc/%d/stat: %d fields after the name", pid, len(fields))
	}
	parent, wrong := strconv.Atoi(fields[1])
	group, err := strconv.Atoi(fields[2])
	if err := errors.Join(wrong, err); err != nil {
		return stat{}, fmt.Errorf("reading /proc/%d/stat: %w", pid, err)
	}
	return stat{state: fields[0], parent: parent, group: group, start: fields[19]}, nil
}

// birth identifies a process among all with the same id: the machine's start and the process's, neither of which
// changes when a clock is set.
func birth(pid int) (string, bool) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false
	}
	s, err := readStat(pid)
	if err != nil || s.state == "Z" || s.state == "X" {
		return "", false
	}
	return strings.TrimSpace(string(boot)) + "/" + s.start, true
}
