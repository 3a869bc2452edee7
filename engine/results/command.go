package results

import (
	"slices"
	"strings"

	"homellm/engine/text"
)

// Recorded are the flags of apply that change the plan, in the order of the record.
var Recorded = []string{"server", "url", "model", "repeats", "context-size", "budget", "max-conversations",
	"include-tags", "exclude-tags", "var"}

// Command is the command that continues an interrupted run.
func Command(file string, flags []string, dir string) string {
	if strings.HasPrefix(file, "-") {
		file = "./" + file // no flag
	}
	words := append([]string{"homellm", "apply", file}, flags...)
	words = append(words, "--resume", dir)
	for i, w := range words {
		words[i] = text.Quote(w)
	}
	return strings.Join(words, " ")
}

// Kept are the options that apply wrote into a journal, in the only form that it writes. A journal may come from
// someone else, and users may paste the command unread: it must not contain a servers file, which can start programs,
// or a flag of another command.
func Kept(options []string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(o string) bool {
		name, _, ok := strings.Cut(o, "=")
		return !ok || !slices.Contains(Recorded, strings.TrimPrefix(name, "--")) || !strings.HasPrefix(name, "--")
	})
}
