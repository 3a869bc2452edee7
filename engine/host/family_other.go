//go:build unix && !linux

package host

import (
	"errors"
	"strconv"
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// members lists the living processes of the family: the leader's descendants, and the leader while anything is in its
// group. It does not find a process that left the group after its parents ended.
func (f family) members() []int {
	if f.group <= 1 {
		return nil
	}
	if err := syscall.Kill(-f.group, 0); errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return append([]int{f.group}, descendants(f.group)...)
}

// birth identifies a process among all with the same id: the instant of its start.
func birth(pid int) (string, bool) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return "", false
	}
	created, err := p.CreateTime()
	return strconv.FormatInt(created, 10), err == nil
}
