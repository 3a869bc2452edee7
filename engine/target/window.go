package target

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"homellm/dsl"
	"homellm/engine/engines"
	"homellm/engine/model"
)

// Window is the sliding window of some or all layers of the served model in tokens, and its source: the file of its
// weights, if the server names one on this machine, else the models file. It is 0 if every layer sees the whole
// context, nothing is known, or the server was started so that it caches everything.
func (t *Target) Window(cell *dsl.Cell) (tokens int, source string) {
	if whole := engines.Of(t.Facts.Engine).Hints.WholeWindow; whole == "" || startsWith(cell.Server.Launch, whole) {
		return 0, ""
	}
	served, ok := t.found.Model(t.Facts.Model)
	if !ok && len(t.found.Models) == 1 {
		served = t.found.Models[0]
	}
	if u, err := url.Parse(t.Facts.URL); err == nil && loopback(u.Hostname()) && filepath.IsAbs(served.File) {
		if tokens, key, err := model.SlidingWindow(served.File); err == nil {
			return tokens, key + " of " + filepath.Base(served.File)
		}
	}
	known := cell.Model
	for _, name := range []string{served.File, served.ID, t.Facts.Model, t.Facts.Answered} { // what answers has precedence
		if m := t.naming.known(name); m != nil {
			known = m
		}
	}
	if known == nil || known.Architecture == nil || known.Architecture.SlidingWindow == 0 {
		return 0, ""
	}
	return known.Architecture.SlidingWindow, "sliding_window of " + known.Name + " in the models file"
}

// startsWith says whether the server is started with a flag that has no value.
func startsWith(l *dsl.Launch, flag string) bool {
	return l != nil && (slices.Contains(l.Command, flag) || slices.ContainsFunc(l.Flags, func(f dsl.Flag) bool {
		return "--"+strings.ReplaceAll(f.Name, "_", "-") == flag && f.Value != false
	}))
}
