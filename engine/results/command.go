package results

import (
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/text"
)

// Recorded are the flags of apply and tune that change the plan, in the order of the record.
var Recorded = []string{"for", "where", "server", "variant", "url", "model", "repeats", "context-size", "budget",
	"max-conversations", "include-tags", "exclude-tags", "var"}

// Command is the command that continues an interrupted run: of apply, or of tune for a run that searches.
func Command(searches *event.Search, file string, flags []string, dir string) string {
	name := "apply"
	if searches != nil {
		name = "tune"
	}
	if strings.HasPrefix(file, "-") {
		file = "./" + file // no flag
	}
	words := append([]string{"homellm", name, file}, flags...)
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
