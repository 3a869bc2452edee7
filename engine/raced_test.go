//go:build race

package engine_test

// raced says that the race detector is on. Playing the same goroutines many times with other texts shows it nothing
// new.
const raced = true
