package main

import (
	"homellm/dsl"
	"homellm/engine/catalog"
	"homellm/engine/target"
)

// means are the means to find, start and reach servers. With --quiet nothing is printed.
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
