package host

import (
	"bytes"
	"regexp"
	"strings"

	"homellm/engine/engines"
)

// Diagnosis is the reason in a log why a server did not start.
type Diagnosis struct {
	Class string // name of the cause, such as gpu_memory; empty if none was recognised
	Line  string // the line that shows it
	Fix   string // what to do, with numbers from the line
}

// consequences only show that something else failed before; they count if no cause is recognised.
var consequences = []engines.Symptom{
	{
		Class:   "engine",
		Pattern: regexp.MustCompile(`Engine core initialization failed\. See root cause above|EngineCore failed to start`),
	},
	{Class: "exception", Pattern: regexp.MustCompile(`(?m)^(?:\(.*?\) )?(?:[\w.]+\.)?\w*(?:Error|Exception): .+$`)},
	{
		Class:   "killed",
		Pattern: regexp.MustCompile(`(?m)^Killed$`),
		Fix:     "the kernel ended it, most likely because memory ran out",
	},
}

// diagnose finds the reason for a failed start in a log; false if it shows no known one.
func diagnose(log []byte) (Diagnosis, bool) {
	known := engines.Logs()
	for _, recovered := range known.Recovered {
		if i := bytes.LastIndex(log, []byte(recovered)); i >= 0 {
			log = log[i+len(recovered):]
		}
	}
	// The cause on the earliest line counts: later ones are its consequences.
	for _, table := range [][]engines.Symptom{known.Symptoms, consequences} {
		first, at := -1, []int(nil)
		for i, s := range table {
			if m := s.Pattern.FindSubmatchIndex(log); m != nil && (at == nil || lineStart(log, m[0]) < lineStart(log, at[0])) {
				first, at = i, m
			}
		}
		if first < 0 {
			continue
		}
		s := table[first]
		return Diagnosis{
			Class: s.Class,
			Line:  lineAt(log, at[0]),
			Fix:   string(s.Pattern.Expand(nil, []byte(s.Fix), log, at)),
		}, true
	}
	return Diagnosis{}, false
}

// lineStart is where the line around an offset begins.
func lineStart(log []byte, at int) int { return bytes.LastIndexByte(log[:at], '\n') + 1 }

// lineAt is the whole line around an offset.
func lineAt(log []byte, at int) string {
	from := lineStart(log, at)
	to := len(log)
	if i := bytes.IndexByte(log[at:], '\n'); i >= 0 {
		to = at + i
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(log[from:to])), "�")
}
