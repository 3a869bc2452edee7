// Package host deals with the machine that homellm runs on: the server processes it starts, the load of the GPU, the
// CPU and the memory meanwhile, and the facts of the machine that go into every result.
//
// It does not know what a server serves: the caller passes in a function that tests whether a server is ready. A
// figure that the machine does not report is absent, never 0. A machine without a GPU driver is not an error.
package host
