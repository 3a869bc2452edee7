package observe

import "time"

// clockJump is the difference between the wall clock and the monotonic one during one turn from which it is reported.
// Corrections by a time service are far smaller.
const clockJump = 2 * time.Second

// Clocks detects jumps of the wall clock against the monotonic one. On Linux the monotonic clock stands still while
// the machine sleeps, so a sleep shows as a jump as well.
type Clocks struct {
	wall  func() time.Time
	start time.Time // monotonic
	ahead time.Duration
}

// NewClocks starts to compare a wall clock with the monotonic one; nil means the machine's wall clock.
func NewClocks(wall func() time.Time) *Clocks {
	if wall == nil {
		wall = time.Now
	}
	c := &Clocks{wall: wall, start: time.Now()}
	c.jumped()
	return c
}

// jumped returns how far the wall clock moved against the monotonic one since the last call.
func (c *Clocks) jumped() time.Duration {
	ahead := c.wall().Round(0).Sub(c.start.Round(0)) - time.Since(c.start)
	moved := ahead - c.ahead
	c.ahead = ahead
	return moved
}
