package observe

import "time"

// clockJump is by how much the wall clock and the monotonic clock may part during one turn before
// that is worth a word. Corrections by a time service stay far below it.
const clockJump = 2 * time.Second

// Clocks notices that the wall clock moved against the monotonic one. On Linux the monotonic
// clock stands still while the machine sleeps, so that a sleep shows as a jump as well.
type Clocks struct {
	wall  func() time.Time
	start time.Time // by the monotonic clock
	ahead time.Duration
}

// NewClocks begins to compare a wall clock with the monotonic one; nil is the machine's.
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
