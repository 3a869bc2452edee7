package dsl

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/schema"
)

// decoder turns a tree that the schema has seen into typed documents. Its accessors accept any
// tree: where a value is not what it should be the schema has said so, and they return the zero
// value, so that one mistake does not hide the others.
type decoder struct {
	src   *source
	diags Diagnostics

	documents    map[string]*Document // by id; of the scenario being read
	used         map[string]bool      // documents that a step names
	usedVars     map[string]bool
	usedAxes     map[string]bool
	substituted  int                         // bytes that substitutions have written
	broken       bool                        // parts of the file could not be read
	inRun        bool                        // what is substituted now is a setting of the run
	declared     map[string]map[string]*node // names of each sort, with the place of the first
	readDocument func(file *node) string

	values  values                                       // of the cell
	compile func(a *Assertion, env scopeEnv) Diagnostics // nil: expressions are not looked at

	// trace, where set, is told of every key that is asked for: a test holds it against the schema.
	trace func(n *node, key string)
}

// values are what ${vars.…} and ${matrix.…} stand for in one cell: bool, int, float64 or string.
type values struct {
	vars   map[string]any
	matrix map[string]any
}

// scopeEnv says what one assertion may name beside the vocabulary.
type scopeEnv struct {
	scope         Scope
	steps         []string       // ids that may be named: the earlier ones of the conversation in step scope, else all
	laterSteps    []string       // step scope: ids that exist but come later, for the message
	conversations []string       // scenario scope
	turns         map[string]int // requests of every step in one repeat
	repeats       int            // planned
	allowSmallN   bool           // of the assertion
	schemas       map[string]*schema.Shape
	values        values
	node          *node // the expression, for source.at
}

// get returns the value of a key, or nil if it is absent, null, or n is not a mapping.
func (d *decoder) get(n *node, key string) *node {
	if d.trace != nil {
		d.trace(n, key)
	}
	v := n.get(key)
	if v == nil || v.kind == nullKind {
		return nil
	}
	return v
}

// str returns the text of a key, or "".
func (d *decoder) str(n *node, key string) string { return d.get(n, key).text() }

// strOr returns the text of a key, or the default if it is absent.
func (d *decoder) strOr(n *node, key, absent string) string {
	if v := d.get(n, key); v != nil {
		return v.text()
	}
	return absent
}

// integer returns the whole number of a key, or the default if it is absent.
func (d *decoder) integer(n *node, key string, absent int) int {
	if v, ok := asInt(d.get(n, key)); ok {
		return v
	}
	return absent
}

// flag returns the truth value of a key, or the default if it is absent.
func (d *decoder) flag(n *node, key string, absent bool) bool {
	if v := d.get(n, key); v != nil && v.kind == boolKind {
		return v.scalar.(bool)
	}
	return absent
}

// list returns the values of a list, or the value itself where one stands for a list of one.
func (d *decoder) list(n *node, key string) []*node {
	v := d.get(n, key)
	switch {
	case v == nil:
		return nil
	case v.kind == listKind:
		return v.items
	default:
		return []*node{v}
	}
}

// strs returns the texts of a list of strings, or of one string.
func (d *decoder) strs(n *node, key string) []string {
	var out []string
	for _, item := range d.list(n, key) {
		if item.kind == stringKind {
			out = append(out, item.text())
		}
	}
	return out
}

// document returns the document that a value names. It reports one that is not declared, and
// returns nil then.
func (d *decoder) document(n *node) *Document {
	if n == nil || n.kind != stringKind {
		return nil
	}
	doc := d.documents[n.text()]
	if doc == nil {
		d.errorf(n, "links/document", cmp.Or(suggestOr(n.text(), keys(d.documents), "declared documents"), "declare it in `documents:`"), "document %q is not declared", n.text())
		return nil
	}
	d.used[doc.ID] = true
	return doc
}

// declare returns the name that a mapping gives itself, and reports one that is taken: names of
// one sort are unique in a file.
func (d *decoder) declare(sort string, n *node, key string) string {
	v := d.get(n, key)
	name := v.text()
	if name == "" {
		return ""
	}
	if first := d.declared[sort][name]; first != nil {
		d.errorf(v, "links/duplicate", "give one of the two another name", "%s %q is already declared on line %d", sort, name, first.line)
		return name
	}
	if d.declared[sort] == nil {
		d.declared[sort] = map[string]*node{}
	}
	d.declared[sort][name] = v
	return name
}

// duration returns the duration of a key, or the default if it is absent.
func (d *decoder) duration(n *node, key string, absent time.Duration) time.Duration {
	return d.durationUpTo(n, key, absent, longestWait)
}

func (d *decoder) durationUpTo(n *node, key string, absent, most time.Duration) time.Duration {
	v := d.get(n, key)
	if v == nil || v.kind != stringKind {
		return absent
	}
	t, err := time.ParseDuration(v.text())
	if err != nil && !durationForm.MatchString(v.text()) {
		return absent // the schema has said so
	}
	if err != nil || t > most {
		d.errorf(v, "plan/size", "", "%s: at most %.0fh are possible here", key, most.Hours())
		return absent
	}
	return t
}

// longestWait bounds what a file may make somebody wait for.
const longestWait = 24 * time.Hour

// durationForm is what the schemas take for a duration.
var durationForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// percent returns the share that a percentage such as 90% stands for, from 0 to 1, or the
// default if it is absent.
func (d *decoder) percent(n *node, key string, absent float64) float64 {
	v := d.get(n, key)
	number, ok := strings.CutSuffix(v.text(), "%")
	if f, err := strconv.ParseFloat(number, 64); ok && err == nil {
		return f / 100
	}
	return absent
}

// errorf reports an error at a value, or at the file where n is nil. Help may be empty.
func (d *decoder) errorf(n *node, code, help, format string, args ...any) {
	d.add(Error, n, code, help, fmt.Sprintf(format, args...))
}

// warnf reports a warning at a value.
func (d *decoder) warnf(n *node, code, help, format string, args ...any) {
	d.add(Warning, n, code, help, fmt.Sprintf(format, args...))
}

func (d *decoder) add(severity Severity, n *node, code, help, message string) {
	g := Diagnostic{Pos: d.src.pos(n), Severity: severity, Code: code, Message: message, Help: help}
	if n != nil {
		g.EndCol, g.Source = n.end, d.src.of(n).line(n.line)
	}
	d.diags = append(d.diags, g)
}

// reported tells whether there is an error at a value already.
func (d *decoder) reported(n *node) bool {
	at := d.src.pos(n)
	return slices.ContainsFunc(d.diags, func(g Diagnostic) bool { return g.Pos == at && g.Severity == Error })
}

// errorKey reports an error at a key of a mapping.
func (d *decoder) errorKey(n *node, key, code, help, format string, args ...any) {
	e := n.find(key)
	if e == nil {
		d.errorf(n, code, help, format, args...)
		return
	}
	d.errorf(e.at(), code, help, format, args...)
}

// at returns the key itself as a value, for diagnostics.
func (e *entry) at() *node {
	return &node{src: e.node.src, kind: stringKind, scalar: e.key, line: e.line, col: e.col, end: e.end}
}

// asInt returns a whole number; 1.0 is one.
func asInt(n *node) (int, bool) {
	if n == nil {
		return 0, false
	}
	switch v := n.scalar.(type) {
	case int:
		return v, true
	case float64:
		if i := int(v); float64(i) == v {
			return i, true
		}
	}
	return 0, false
}

// asFloat returns a number.
func asFloat(n *node) (float64, bool) {
	if n == nil {
		return 0, false
	}
	switch v := n.scalar.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// warnKey reports a warning at a key of a mapping.
func (d *decoder) warnKey(n *node, key, code, help, format string, args ...any) {
	if e := n.find(key); e != nil {
		n = e.at()
	}
	d.warnf(n, code, help, format, args...)
}
