// Package crash makes a panic of any goroutine end the process in the same way.
//
// The input is the functions of goroutines and, once, a handler; the handler gets the panic and its stack. The
// package prints nothing, exits nothing, and imports no other package of homellm.
package crash

import (
	"runtime/debug"
	"sync/atomic"
)

var end atomic.Pointer[func(value any, stack []byte)]

// Handle sets how the process ends when a goroutine panics: f must not return. Without a handler a panic is not
// recovered, as tests want it.
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

// Report ends the process because of a panic that the caller has recovered.
func Report(value any) {
	if f := end.Load(); f != nil {
		(*f)(value, debug.Stack())
	}
	panic(value)
}
