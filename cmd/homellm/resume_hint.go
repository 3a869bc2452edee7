package main

import (
	"slices"
	"strings"
)

// recorded are the flags that change the plan, in the order in which the record has them.
var recorded = []string{"server", "url", "model", "repeats", "context-size", "budget", "max-conversations",
	"include-tags", "exclude-tags", "var"}

// resumeHint is the command that continues an interrupted run.
func resumeHint(file string, flags []string, dir string) string {
	if strings.HasPrefix(file, "-") {
		file = "./" + file // no flag
	}
	words := append([]string{"homellm", "apply", file}, flags...)
	words = append(words, "--resume", dir)
	for i, w := range words {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// kept are the options of a journal that apply writes there, in the one form that it writes. A
// journal may come from a stranger, and people paste commands without reading them: it must not bring a servers
// file, which can start programs, or a flag of another command.
func kept(options []string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(o string) bool {
		name, _, ok := strings.Cut(o, "=")
		return !ok || !slices.Contains(recorded, strings.TrimPrefix(name, "--")) || !strings.HasPrefix(name, "--")
	})
}

// quote makes a word safe to paste into a shell, on one line.
func quote(w string) string {
	w = strings.Map(func(r rune) rune {
		if acts(r) {
			return '?' // no file or option of ours has one
		}
		return r
	}, w)
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+~", r)
	}
	if w != "" && !strings.ContainsFunc(w, func(r rune) bool { return !plain(r) }) {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
