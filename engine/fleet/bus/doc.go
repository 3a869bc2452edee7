// Package bus carries jobs to boxes and what they played back, on NATS JetStream.
//
// The input is jobs of engine/fleet and the address of a broker; the output is the events of a run for a coordinator,
// and jobs with their documents for a worker. It decides nothing about jobs, which engine/fleet does, and plays
// nothing. Without the build tag fleet it is empty, so that the program without a fleet holds nothing of NATS.
package bus
