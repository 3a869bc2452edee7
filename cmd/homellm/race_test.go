//go:build race

package main

// raceFactor is by how much more memory a program may take under the race detector.
const raceFactor = 4
