package target

import (
	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/event"
)

// startHint says how to start a profile's server by hand.
func startHint(profile *dsl.Server) string {
	if profile.Pos.File == "" { // an address was named, and no profile
		return "start the server, or leave --url out to use one that runs here or the simulator"
	}
	if command := engines.Of(profile.Engine).Hints.Start; command != "" {
		return "start it: " + command
	}
	return "start the server, or name its address with --url"
}

// KeyHint says how to pass a server's key.
func KeyHint(profile *dsl.Server) string {
	switch given := profile.APIKey; {
	case given.Env != "":
		return "is the key in the environment variable " + given.Env + " that of this server?"
	case given.File != "":
		return "is the key in the named file that of this server?"
	case profile.Pos.File == "":
		return "say where the key is: --api-key-env NAME, or --api-key-file PATH"
	}
	return "say in the profile where the key is: api_key: {env: NAME}, or {file: PATH}"
}

// modelHint says what to do about a model that the server does not have.
func modelHint(f event.Server) string {
	if pull := engines.Of(f.Engine).Hints.Pull; pull != "" {
		return "get it with: " + pull + " " + f.Model
	}
	return "name a model that the server has with --model"
}
