package target

import (
	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
)

// startHint is how a profile's server is started by hand.
func startHint(profile *dsl.Server) string {
	if command := engines.Of(profile.Engine).Hints.Start; command != "" {
		return "start it: " + command
	}
	return "start the server, or name its address with --url"
}

// modelHint is what to do about a model that the server does not have.
func modelHint(f event.Server) string {
	if pull := engines.Of(f.Engine).Hints.Pull; pull != "" {
		return "get it with: " + pull + " " + f.Model
	}
	return "name a model that the server has with --model"
}
