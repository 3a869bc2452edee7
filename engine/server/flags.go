package server

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Flag is one command-line flag of a profile: its name with underscores or hyphens, and a bool,
// a number, a string, a list of these, or an object, which becomes JSON. Nil leaves it out.
type Flag struct {
	Name  string
	Value any
}

// Binary is what is known of the program that will get the flags. Its help text, where it was
// asked for, says what the program knows better than its version does.
type Binary struct {
	Version string // such as 0.11.0 or b6400; empty: the newest is assumed
	Help    string
}

// Render turns a profile's flags into arguments for the program that is installed, in the
// profile's order: flags that were renamed get the name it knows, and those that it would refuse,
// or that would take away what homellm reads, are left out. notes says every such change, for
// the user to see.
func Render(engine string, flags []Flag, b Binary) (argv, notes []string) {
	for _, f := range flags {
		name := strings.ReplaceAll(strings.TrimLeft(f.Name, "-"), "_", "-")
		values, note := []string(nil), ""
		if i := slices.IndexFunc(flagRules, func(r flagRule) bool { return r.engine == engine && slices.Contains(r.names, name) }); i >= 0 {
			values, note = flagRules[i].render(name, f.Value, b)
		} else {
			values = plain(engine, name, f.Value)
		}
		if note != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", f.Name, note))
		}
		if len(values) > 0 && b.Help != "" && !b.knows(values[0]) {
			notes = append(notes, fmt.Sprintf("%s: left out, because the help of the installed program does not have %s", f.Name, values[0]))
			continue
		}
		argv = append(argv, values...)
	}
	return argv, notes
}

// flagRule is a flag that not every version takes as it is written.
type flagRule struct {
	engine string
	names  []string
	render func(name string, value any, b Binary) (argv []string, note string)
}

var flagRules = []flagRule{
	// Without its statistics vLLM's /metrics holds nothing about requests.
	{"vllm", []string{"disable-log-stats"}, func(string, any, Binary) ([]string, string) {
		return nil, "left out, because it empties /metrics, from which homellm reads"
	}},
	// Requests were logged unless --disable-log-requests said otherwise. 0.10.1 turned the default
	// round and added --enable-log-requests; by 0.17 the old flag was refused.
	{"vllm", []string{"disable-log-requests", "no-enable-log-requests"}, func(name string, v any, b Binary) ([]string, string) {
		return logRequests(!isTrue(v), name, b)
	}},
	{"vllm", []string{"enable-log-requests"}, func(name string, v any, b Binary) ([]string, string) {
		return logRequests(isTrue(v), name, b)
	}},
	// On by default since the V1 engine (0.8), so that leaving them out does not switch them off.
	{"vllm", []string{"enable-prefix-caching", "enable-chunked-prefill"}, func(name string, v any, b Binary) ([]string, string) {
		switch {
		case isTrue(v):
			return []string{"--" + name}, ""
		case v == nil || !b.atLeast(0, 8):
			return nil, ""
		}
		return []string{"--no-" + name}, ""
	}},
	// The swap space went with the V0 engine.
	{"vllm", []string{"swap-space"}, func(name string, v any, b Binary) ([]string, string) {
		if b.atLeast(0, 11) {
			return nil, "left out: it went with the V0 engine"
		}
		return plain("vllm", name, v), ""
	}},
	// A flag without a value until August 2025, then on, off or auto.
	{"llamacpp", []string{"flash-attn", "fa"}, func(_ string, v any, b Binary) ([]string, string) {
		mode := map[string]string{"true": "on", "false": "off"}[scalar(v)]
		if mode == "" {
			mode = scalar(v)
		}
		if b.has(regexp.MustCompile(`--flash-attn\s+\[`), 6330) {
			return []string{"--flash-attn", mode}, ""
		}
		switch mode {
		case "on":
			return []string{"--flash-attn"}, ""
		case "auto":
			return nil, "left out: this build does not know auto"
		}
		return nil, ""
	}},
	{"llamacpp", []string{"fit"}, newerThan(`--fit\b`, 7400, "it shrinks nothing to fit")},
	{"llamacpp", []string{"cache-ram", "cram"}, newerThan(`--cache-ram\b`, 6750, "it has no second cache in main memory")},
	{"llamacpp", []string{"no-ui", "no-webui"}, func(_ string, v any, b Binary) ([]string, string) {
		switch {
		case !isTrue(v):
			return nil, ""
		case b.has(regexp.MustCompile(`--no-ui\b`), 7400):
			return []string{"--no-ui"}, ""
		}
		return []string{"--no-webui"}, ""
	}},
}

func logRequests(on bool, name string, b Binary) (argv []string, note string) {
	newer := b.atLeast(0, 10, 1)
	switch {
	case on && newer:
		argv = []string{"--enable-log-requests"}
	case !on && !newer:
		argv = []string{"--disable-log-requests"}
	}
	if newer != (name == "disable-log-requests") {
		return argv, "" // it was written for this side of the change
	}
	switch {
	case len(argv) > 0:
		note = "given as " + argv[0] + ", its name in this version"
	case newer:
		note = "left out: this version logs no request unless it is asked to"
	default:
		note = "left out: this version logs requests unless it is asked not to"
	}
	return argv, note
}

// newerThan is a flag of llama.cpp that older builds refuse and do not need.
func newerThan(pattern string, build int, why string) func(string, any, Binary) ([]string, string) {
	known := regexp.MustCompile(pattern)
	return func(name string, v any, b Binary) ([]string, string) {
		if !b.has(known, build) {
			return nil, "left out: this build does not know it, and " + why
		}
		if on, ok := v.(bool); ok { // YAML reads a bare on or off as text or as a bool
			v = map[bool]string{true: "on", false: "off"}[on]
		}
		return plain("llamacpp", name, v), ""
	}
}

// llamaShort are llama.cpp's short flags of more than one letter, which take one hyphen.
var llamaShort = strings.Fields("np ngl fa ctk ctv ub tb hf hfr hff mu cram sps to rea cb cnv sm ts mg nkvo ot dev")

// plain renders a flag as its engine's command line has it: true is the bare flag, false none.
// Python's programs take the values of a list after one flag, all others repeat it.
func plain(engine, name string, v any) []string {
	flag := "--" + name
	if len(name) == 1 || engine == "llamacpp" && slices.Contains(llamaShort, name) {
		flag = "-" + name
	}
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		if v {
			return []string{flag}
		}
		return nil
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return plain(engine, name, list)
	case []any:
		var argv []string
		for i, item := range v {
			if i == 0 || engine != "vllm" && engine != "sglang" {
				argv = append(argv, flag)
			}
			argv = append(argv, scalar(item))
		}
		return argv
	}
	return []string{flag, scalar(v)}
}

// scalar writes a value as a command line takes it: no exponents, objects as JSON.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		if raw, err := json.Marshal(v); err == nil {
			return string(raw)
		}
	}
	return fmt.Sprint(v)
}

func isTrue(v any) bool { return v == true || v == "true" }

// digits finds the numbers at the head of a version: 0.11.0rc2+cu128, v0.9.1, b6400-abcdef.
var digits = regexp.MustCompile(`^\D{0,10}?(\d+)(?:\.(\d+))?(?:\.(\d+))?`)

// numbers are the parts of the version; nil if it is not known.
func (b Binary) numbers() []int {
	m := digits.FindStringSubmatch(b.Version)
	if m == nil {
		return nil
	}
	var parts []int
	for _, s := range m[1:] {
		n, err := strconv.Atoi(s)
		if err != nil {
			break // the part is not there
		}
		parts = append(parts, n)
	}
	return parts
}

// atLeast compares versions. An unknown one is the newest.
func (b Binary) atLeast(version ...int) bool {
	have := b.numbers()
	return have == nil || slices.Compare(have, version) >= 0
}

// has reports whether the program has something that its help would show, or that came with a
// build if there is no help.
func (b Binary) has(pattern *regexp.Regexp, build int) bool {
	if b.Help != "" {
		return pattern.MatchString(b.Help)
	}
	return b.atLeast(build)
}

// knows reports whether the help text lists a flag, as a whole word.
func (b Binary) knows(flag string) bool {
	return regexp.MustCompile(`(^|[\s,\[(|])` + regexp.QuoteMeta(flag) + `($|[\s,=\])|])`).MatchString(b.Help)
}
