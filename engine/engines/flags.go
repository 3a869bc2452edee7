package engines

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// FlagSet is the known flags of an engine, as written in profiles. There are more, and versions add some: a name that
// resembles none of them is left to the engine.
type FlagSet struct {
	Names     []string
	Short     []string // flags of several letters with a single hyphen
	ListInOne bool     // the values of a list follow one flag; otherwise the flag is repeated
	Checks    []Check
	Rules     []Rule
}

// Flag is one command-line flag of a profile: its name with underscores or hyphens, and a bool, a number, a string, a
// list of these, or an object, which becomes JSON. Nil omits it.
type Flag struct {
	Name  string
	Value any
}

// Binary is the program that gets the flags. Its help text, if available, is more reliable than its version.
type Binary struct {
	Version string // such as 0.11.0 or b6400; empty: the newest is assumed
	Help    string
}

// Rule is for a flag that not every version accepts as written.
type Rule struct {
	Names  []string
	Render func(w written, b Binary) (argv []string, note string)
}

// written is a flag as a profile writes it, its name with hyphens.
type written struct {
	name  string
	value any
	set   *FlagSet
}

// Render turns a profile's flags into arguments for the installed program, in the profile's order. Renamed flags get
// the name that the program knows. Flags that it would refuse, or that would remove what homellm reads, are left out.
// Notes describes every such change to the user.
func (s *FlagSet) Render(flags []Flag, b Binary) (argv, notes []string) {
	for _, f := range flags {
		w := written{strings.ReplaceAll(strings.TrimLeft(f.Name, "-"), "_", "-"), f.Value, s}
		values, note := []string(nil), ""
		if i := slices.IndexFunc(s.Rules, func(r Rule) bool { return slices.Contains(r.Names, w.name) }); i >= 0 {
			values, note = s.Rules[i].Render(w, b)
		} else {
			values = w.plain(w.value)
		}
		if note != "" {
			notes = append(notes, fmt.Sprintf("%s: %s", f.Name, note))
		}
		if len(values) > 0 && b.Help != "" && !b.knows(values[0]) {
			notes = append(
				notes,
				fmt.Sprintf("%s: left out, because the help of the installed program does not have %s", f.Name, values[0]),
			)
			continue
		}
		argv = append(argv, values...)
	}
	return argv, notes
}

// on reports whether the flag is switched on.
func (w written) on() bool { return w.value == true || w.value == "true" }

// plain renders a value of the flag for a command line: true is the bare flag, false is nothing.
func (w written) plain(v any) []string {
	flag := "--" + w.name
	if len(w.name) == 1 || slices.Contains(w.set.Short, w.name) {
		flag = "-" + w.name
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
		return w.plain(list)
	case []any:
		var argv []string
		for i, item := range v {
			if i == 0 || !w.set.ListInOne {
				argv = append(argv, flag)
			}
			argv = append(argv, scalar(item))
		}
		return argv
	}
	return []string{flag, scalar(v)}
}

// scalar formats a value for a command line: no exponents, objects as JSON.
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

// digits finds the numbers at the beginning of a version: 0.11.0rc2+cu128, v0.9.1, b6400-abcdef.
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

// atLeast compares versions. An unknown version counts as the newest.
func (b Binary) atLeast(version ...int) bool {
	have := b.numbers()
	return have == nil || slices.Compare(have, version) >= 0
}

// has reports whether the program has a feature: its help lists the flag, or without a help text its version is
// recent enough.
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
