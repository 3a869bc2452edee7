package engines

import "slices"

// All lists every engine in the order of menus, and in which a machine's ports are tried.
var All = []Engine{vllm, llamaCPP, llamaRouter, ollama, sglang, lmStudio, tabby, koboldCPP, jan, lemonade, dockerModels,
	localAI, mlxLM, llamaSwap, liteLLM, generic, simulator}

// Lookup finds an engine by name.
func Lookup(name string) (Engine, bool) {
	i := slices.IndexFunc(All, func(e Engine) bool { return e.Name == name })
	if i < 0 {
		return Engine{}, false
	}
	return All[i], true
}

// Of is the engine of that name, or an unknown engine with that name.
func Of(name string) Engine {
	if e, ok := Lookup(name); ok {
		return e
	}
	return Engine{
		Name:   name,
		Title:  name,
		Prompt: Prompt{Text: TextRule{Stops: manyStops}},
		Launch: Launch{Memory: cardMemory("")},
	}
}

// WithRole is the entry with a role other than [Known].
func WithRole(r Role) Engine {
	return All[slices.IndexFunc(All, func(e Engine) bool { return e.Role == r })]
}

// Suspect finds the engine to which the responses so far point without doubt, so that other engines' paths need not
// be asked; false if there is none yet. It is never the generic one, because more responses may tell.
func Suspect(seen Responses) (Engine, bool) {
	for _, e := range slices.Backward(All) {
		if e.Role == Generic {
			continue
		}
		if e.API.Sign != nil && e.API.Sign(seen) || e.API.Identify(seen, &Facts{}) {
			return e, true
		}
	}
	return Engine{}, false
}

// Recognise finds the engine that gave these responses, and what they say; false if none did. Engines that imitate
// others come last in [All] and are tried first: KoboldCpp and LM Studio answer for Ollama and OpenAI, TabbyAPI has a
// /props like llama.cpp's, SGLang and vLLM share most paths. The generic one is tried last.
func Recognise(seen Responses) (Engine, Facts, bool) {
	last := WithRole(Generic)
	for _, e := range slices.Backward(All) {
		if e.Role == Generic {
			continue
		}
		var f Facts
		if e.API.Identify(seen, &f) {
			return e, f, true
		}
	}
	var f Facts
	return last, f, last.API.Identify(seen, &f)
}

// Ports are the usual ports of all engines, in the order of preference.
func Ports() []int {
	var out []int
	for _, e := range All {
		for _, port := range e.Ports {
			if !slices.Contains(out, port) {
				out = append(out, port)
			}
		}
	}
	return out
}

// ProgramOf finds a program by the base name of its command.
func ProgramOf(command string) (Program, bool) {
	for _, e := range All {
		for _, p := range e.Launch.Programs {
			if p.Command == command {
				return p, true
			}
		}
	}
	return Program{}, false
}

// Logs are the logs of all engines, because a command may start any of them. The most specific come first, as in
// [Recognise].
func Logs() Log {
	var out Log
	for _, e := range slices.Backward(All) {
		out.Symptoms = append(out.Symptoms, e.Launch.Log.Symptoms...)
		out.Recovered = append(out.Recovered, e.Launch.Log.Recovered...)
	}
	return out
}
