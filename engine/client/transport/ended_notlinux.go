//go:build unix && !linux

package transport

// pollHangUp is the flag for a closed writing side of the other end. Only Linux has one.
const pollHangUp = 0
