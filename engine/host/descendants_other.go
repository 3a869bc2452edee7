//go:build !linux

package host

import "github.com/shirou/gopsutil/v4/process"

// descendants lists the living descendants of a process.
func descendants(pid int) []int {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return nil
	}
	children, err := p.Children()
	if err != nil {
		return nil // it has none, or they cannot be asked for
	}
	var all []int
	for _, child := range children {
		all = append(append(all, int(child.Pid)), descendants(int(child.Pid))...)
	}
	return all
}
