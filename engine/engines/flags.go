package engines

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// FlagSet is what is known of the flags of an engine, as profiles write them. There are more than those it names, and
// versions add some: a name that is near none of them is the engine's business.
type FlagSet struct {
	Names     []string
	Short     []string // flags of several letters that take one hyphen
	ListInOne bool     // it takes the values of a list after one flag; otherwise the flag is repeated
	Checks    []Check
	Rules     []Rule
}

// Flag is one command-line flag of a profile: its name with underscores or hyphens, and a bool, a number, a string, a
// list of these, or an object, which becomes JSON. Nil leaves it out.
type Flag struct {
	Name  string
	Value any
}

// Binary is what is known of the program that will get the flags. Its help text, where it was asked for, says what the
// program knows better than its version does.
type Binary struct {
	Version string // such as 0.11.0 or b6400; empty: the newest is assumed
	Help    string
}

// Rule is a flag that not every version takes as it is written.
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

// Render turns a profile's flags into arguments for the program that is installed, in the profile's order: flags that
// were renamed get the name it knows, and those that it would refuse, or that would take away what homellm reads, are
// left out. Notes says every such change, for the user to see.
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

// plain renders a value of the flag as a command line has it: true is the bare flag, false none.
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
