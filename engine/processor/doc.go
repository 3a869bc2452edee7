// Package processor tells what work has cost this process, which is the same beside any other program.
//
// It has no input; the output is a time that only grows. It knows nothing of what the work was.
package processor
