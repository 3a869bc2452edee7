//go:build unix && !linux

package transport

// pollHangUp would make poll say that the other end writes no more. Only Linux can.
const pollHangUp = 0
