// Package target makes a server ready to be measured.
//
// In come a cell with the profile of its server, and the means to start one. Out comes a target:
// what the server is, how to reach it, and what can be asked of it. It measures nothing itself.
package target
