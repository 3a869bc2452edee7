// Package crash makes a panic of any goroutine end the process in one way.
//
// In come the functions that goroutines run and, once, how the process ends; out goes what panicked,
// with its stack. It prints nothing and exits nothing itself, and knows nothing else of ours.
package crash

import (
	"runtime/debug"
	"sync/atomic"
)

var end atomic.Pointer[func(value any, stack []byte)]

// Handle says how the process ends when a goroutine panics: f shall not return. Without a handler a
// panic stays one, as a test wants it.
func Handle(f func(value any, stack []byte)) { end.Store(&f) }

// Go runs f on a new goroutine. It replaces the go statement everywhere in this module.
func Go(f func()) { go Guarded(f)() }

// Guarded wraps f for callers that start the goroutine themselves, such as a timer or a wait group.
func Guarded(f func()) func() {
	return func() {
		defer Recover()
		f()
	}
}

// Recover ends the process if the function that defers it panics.
func Recover() {
	if value := recover(); value != nil {
		Report(value)
	}
}

// Report ends the process because of what a caller has recovered.
func Report(value any) {
	if f := end.Load(); f != nil {
		(*f)(value, debug.Stack())
	}
	panic(value)
}
