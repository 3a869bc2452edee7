package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"homellm/dsl/syntax"
)

// Axis is one axis of a matrix with its values, all of one kind.
type Axis struct {
	Name   string
	Values []any    // bool, int, float64 or string; never empty
	Names  []string // of the values; nil: they have none
	Open   bool     // other values may come, which the file does not tell
	Apart  bool     // cells that differ in it are played on machines of their own, never in turn
}

// Title returns the name of a value in reports and selections: its name in the axis, or the value itself.
func (a Axis) Title(v any) string {
	if i := slices.Index(a.Values, v); i >= 0 && a.Names != nil {
		return a.Names[i]
	}
	return LiteralText(v)
}

// Kind is the kind of the values.
func (a Axis) Kind() Kind { return LiteralKind(a.Values[0]) }

// Value returns the value that a literal stands for: the value of this name if the values have names, otherwise any
// literal of their kind. If there is none, the texts say why and what to write.
func (a Axis) Value(literal any) (v any, wrong, help string) {
	if a.Names != nil {
		name := LiteralText(literal)
		if i := slices.Index(a.Names, name); i >= 0 {
			return a.Values[i], "", ""
		}
		return nil, fmt.Sprintf("axis %q has no value named %q", a.Name, name),
			syntax.SuggestOr(name, a.Names, "its values")
	}
	if whole, isInt := literal.(int); isInt && a.Kind() == Float {
		literal = float64(whole)
	}
	if LiteralKind(literal) != a.Kind() {
		return nil, fmt.Sprintf("%s is not a value of axis %q, which takes %s", literalForm(literal), a.Name,
			a.Kind().Words()), "write a value as the axis has it"
	}
	return literal, "", ""
}

// One is the same for a value that the axis has.
func (a Axis) One(literal any) (v any, wrong, help string) {
	v, wrong, help = a.Value(literal)
	if wrong != "" || a.Open || slices.Contains(a.Values, v) {
		return v, wrong, help
	}
	help = syntax.SuggestOr(LiteralText(literal), a.titles(), "its values")
	if a.Kind() != String {
		help = "its values: " + strings.Join(a.titles(), ", ") // a number is not a misspelt other one
	}
	return nil, fmt.Sprintf("axis %q has no value %s", a.Name, literalForm(literal)), help
}

func (a Axis) titles() []string {
	var out []string
	for _, v := range a.Values {
		out = append(out, a.Title(v))
	}
	return out
}

// literalForm is a literal as a file has it.
func literalForm(v any) string {
	text, ok := v.(string)
	switch {
	case !ok:
		return LiteralText(v)
	case len(text) > 40:
		return "text"
	}
	return strconv.Quote(text)
}

// LiteralText formats a literal, numbers without an exponent.
func LiteralText(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// form is a value of the axis as cell() takes it.
func (a Axis) form(v any) string {
	if _, text := v.(string); text || a.Names != nil {
		return strconv.Quote(a.Title(v))
	}
	return LiteralText(v)
}
