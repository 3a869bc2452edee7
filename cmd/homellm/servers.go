package main

import (
	"homellm/dsl"
	"homellm/engine/catalog"
	"homellm/engine/target"
)

// means are what servers are found, started and reached with. A quiet user is told nothing.
func (p process) means(quiet bool) target.Means {
	note := p.say
	if quiet {
		note = func(string, ...any) {}
	}
	return target.Means{
		Exe: p.exe, StateDir: p.stateDir, Getenv: p.getenv, Simulate: simulate(note), Note: note,
		File: func(m *dsl.Model, engine string) (string, error) { return catalog.File(p.downloads(), m, engine) },
	}
}
