//go:build race

package engine_test

// raced says that the race detector is on: what is played many times over, each time with other words and the same
// goroutines, shows it nothing new.
const raced = true
