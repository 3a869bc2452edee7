// Package host is about the machine that homellm runs on: the server processes it starts, what
// the GPU, the CPU and the memory do meanwhile, and the facts that go into every result.
//
// It refuses to know what a server serves: readiness is a function that the caller hands in.
// A figure that the machine does not give is absent, never 0, and a machine without a driver
// is an ordinary machine.
package host
