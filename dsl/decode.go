package dsl

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"homellm/dsl/expr"
	"homellm/dsl/syntax"
	"homellm/engine/wire"
	"homellm/schema"
)

// decoder turns a tree that the schema has checked into typed documents. Its accessors accept any tree: for a wrong
// value, which the schema has reported, they return the zero value, so that one mistake does not hide the others.
type decoder struct {
	src   *syntax.Source
	diags syntax.Diagnostics

	documents    map[string]*Document // by id; of the scenario being read
	corpora      map[string]*Corpus   // by id
	used         map[string]bool      // documents and corpora that a step names
	usedVars     map[string]bool
	usedAxes     map[string]bool
	answers      map[string]*schema.AnswerSchema    // from `schemas:`; nil: the schema has an error
	substituted  int                                // bytes written by substitutions
	broken       bool                               // parts of the file could not be read
	set          *itemSet                           // of the conversation that is being read; nil: it has none
	declaredAll  bool                               // names have been declared by the conversation of the first item
	inRun        bool                               // the value being substituted is a setting of the run
	declared     map[string]map[string]*syntax.Node // names of each kind, with the place of their first declaration
	readDocument func(what string, file *syntax.Node) string
	readImage    func(file *syntax.Node) (wire.Image, bool)
	match        func(pattern string) ([]string, error) // lists the files that a pattern matches

	values  values                                                   // of the cell
	find    *Search                                                  // nil: nothing is looked for among the cells
	compile func(a *expr.Assertion, env expr.Env) syntax.Diagnostics // nil: expressions are not compiled

	// trace, if set, is called with every key that is read: a test compares the keys with the schema.
	trace func(n *syntax.Node, key string)
}

// values are the values of ${vars.…} and ${matrix.…} in one cell: bool, int, float64 or string.
type values struct {
	vars   map[string]any
	matrix map[string]any
}

// get returns the value of a key, or nil if it is absent, null, or n is not a mapping.
func (d *decoder) get(n *syntax.Node, key string) *syntax.Node {
	if d.trace != nil {
		d.trace(n, key)
	}
	v := n.Get(key)
	if v == nil || v.Kind == syntax.NullKind {
		return nil
	}
	return v
}

// str returns the text of a key, or "".
func (d *decoder) str(n *syntax.Node, key string) string { return d.get(n, key).Text() }

// strOr returns the text of a key, or the default if it is absent.
func (d *decoder) strOr(n *syntax.Node, key, absent string) string {
	if v := d.get(n, key); v != nil {
		return v.Text()
	}
	return absent
}

// integer returns the whole number of a key, or the default if it is absent.
func (d *decoder) integer(n *syntax.Node, key string, absent int) int {
	if v, ok := asInt(d.get(n, key)); ok {
		return v
	}
	return absent
}

// flag returns the truth value of a key, or the default if it is absent.
func (d *decoder) flag(n *syntax.Node, key string, absent bool) bool {
	if v := d.get(n, key); v != nil && v.Kind == syntax.BoolKind {
		return v.Scalar.(bool)
	}
	return absent
}

// truth returns a truth value, or nil if the key is absent.
func (d *decoder) truth(n *syntax.Node, key string) *bool {
	if d.get(n, key) == nil {
		return nil
	}
	v := d.flag(n, key, false)
	return &v
}

// number returns the number of a key, or 0 if it is absent.
func (d *decoder) number(n *syntax.Node, key string) float64 {
	v, _ := asFloat(d.get(n, key))
	return v
}

// list returns the values of a list, or a single value as a list of one.
func (d *decoder) list(n *syntax.Node, key string) []*syntax.Node {
	v := d.get(n, key)
	switch {
	case v == nil:
		return nil
	case v.Kind == syntax.ListKind:
		return v.Items
	default:
		return []*syntax.Node{v}
	}
}

// strs returns the texts of a list of strings, or of one string.
func (d *decoder) strs(n *syntax.Node, key string) []string {
	var out []string
	for _, item := range d.list(n, key) {
		if item.Kind == syntax.StringKind {
			out = append(out, item.Text())
		}
	}
	return out
}

// document returns the document that a value names. It reports an undeclared one, and returns nil then.
func (d *decoder) document(n *syntax.Node) *Document {
	if n == nil || n.Kind != syntax.StringKind {
		return nil
	}
	doc := d.documents[n.Text()]
	if c := d.corpora[n.Text()]; doc == nil && c != nil {
		d.errorf(n, "links/document", fmt.Sprintf("write retrieve: {query: …, from: %s}", c.ID),
			"%q is a corpus: what of it goes into the context is found by a query", c.ID)
		return nil
	}
	if doc == nil {
		d.errorf(n, "links/document", cmp.Or(syntax.SuggestOr(n.Text(), keys(d.documents), "declared documents"),
			"declare it in `documents:`"), "document %q is not declared", n.Text())
		return nil
	}
	d.used[doc.ID] = true
	return doc
}

// declare returns the name that a mapping gives itself, and reports a name that is taken: names of one kind are
// unique in a file.
func (d *decoder) declare(sort string, n *syntax.Node, key string) string {
	v := d.get(n, key)
	name := v.Text()
	if name == "" || d.declaredAll {
		return name
	}
	if first := d.declared[sort][name]; first != nil {
		d.errorf(v, "links/duplicate", "give one of the two another name", "%s %q is already declared on line %d", sort, name,
			first.Line)
		return name
	}
	if d.declared[sort] == nil {
		d.declared[sort] = map[string]*syntax.Node{}
	}
	d.declared[sort][name] = v
	return name
}

// duration returns the duration of a key, or the default if it is absent.
func (d *decoder) duration(n *syntax.Node, key string, absent time.Duration) time.Duration {
	return d.durationUpTo(n, key, absent, longestWait)
}

func (d *decoder) durationUpTo(n *syntax.Node, key string, absent, most time.Duration) time.Duration {
	v := d.get(n, key)
	if v == nil || v.Kind != syntax.StringKind {
		return absent
	}
	t, err := time.ParseDuration(v.Text())
	if err != nil && !durationForm.MatchString(v.Text()) {
		return absent // the schema has reported it
	}
	if err != nil || t > most {
		d.errorf(v, "plan/size", "", "%s: at most %.0fh are possible here", key, most.Hours())
		return absent
	}
	return t
}

// limit is the upper limit of a duration, which must not be zero.
func (d *decoder) limit(n *syntax.Node, key string, absent time.Duration) time.Duration {
	return d.positive(n, key, d.duration(n, key, absent), absent)
}

// positive reports a duration of zero where it makes no sense.
func (d *decoder) positive(n *syntax.Node, key string, given, absent time.Duration) time.Duration {
	v := d.get(n, key)
	if v == nil || v.Kind != syntax.StringKind {
		return given
	}
	if t, err := time.ParseDuration(v.Text()); err != nil || t > 0 {
		return given
	}
	d.errorf(v, "plan/size", fmt.Sprintf("leave %s out for the default", key), "%s must be longer than 0", key)
	return absent
}

// longestWait limits every wait that a file may ask for.
const longestWait = 24 * time.Hour

// durationForm is the form of a duration in the schemas.
var durationForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// percent returns the share of a percentage such as 90%, from 0 to 1, or the default if the key is absent.
func (d *decoder) percent(n *syntax.Node, key string, absent float64) float64 {
	v := d.get(n, key)
	number, ok := strings.CutSuffix(v.Text(), "%")
	if f, err := strconv.ParseFloat(number, 64); ok && err == nil {
		return f / 100
	}
	return absent
}

// errorf reports an error at a value, or at the file where n is nil. Help may be empty.
func (d *decoder) errorf(n *syntax.Node, code, help, format string, args ...any) {
	d.add(syntax.Error, n, code, help, fmt.Sprintf(format, args...))
}

// warnf reports a warning at a value.
func (d *decoder) warnf(n *syntax.Node, code, help, format string, args ...any) {
	d.add(syntax.Warning, n, code, help, fmt.Sprintf(format, args...))
}

func (d *decoder) add(severity syntax.Severity, n *syntax.Node, code, help, message string) {
	g := syntax.Diagnostic{Pos: d.src.Pos(n), Severity: severity, Code: code, Message: message, Help: help}
	if n != nil {
		g.EndCol, g.Source = n.End, d.src.Of(n).Line(n.Line)
	}
	d.diags = append(d.diags, g)
}

// reported says whether there is an error at a value already.
func (d *decoder) reported(n *syntax.Node) bool {
	at := d.src.Pos(n)
	return slices.ContainsFunc(d.diags, func(g syntax.Diagnostic) bool {
		return g.Pos == at &&
			g.Severity == syntax.Error
	})
}

// errorKey reports an error at a key of a mapping.
func (d *decoder) errorKey(n *syntax.Node, key, code, help, format string, args ...any) {
	e := n.Find(key)
	if e == nil {
		d.errorf(n, code, help, format, args...)
		return
	}
	d.errorf(e.At(), code, help, format, args...)
}

// asInt returns a whole number; 1.0 is one.
func asInt(n *syntax.Node) (int, bool) {
	if n == nil {
		return 0, false
	}
	switch v := n.Scalar.(type) {
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
func asFloat(n *syntax.Node) (float64, bool) {
	if n == nil {
		return 0, false
	}
	switch v := n.Scalar.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// warnKey reports a warning at a key of a mapping.
func (d *decoder) warnKey(n *syntax.Node, key, code, help, format string, args ...any) {
	if e := n.Find(key); e != nil {
		n = e.At()
	}
	d.warnf(n, code, help, format, args...)
}

// keys returns the names of a map in order.
func keys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// firstOf returns the first node that is not nil.
func firstOf(nodes ...*syntax.Node) *syntax.Node {
	for _, n := range nodes {
		if n != nil {
			return n
		}
	}
	return nil
}

// firstKey returns the first key of a mapping as a value, or the mapping if it is empty.
func firstKey(n *syntax.Node) *syntax.Node {
	if n.Kind == syntax.MapKind && len(n.Entries) > 0 {
		return n.Entries[0].At()
	}
	return n
}

// devices are the names that Windows reserves for devices in every folder, with any extension.
var devices = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\.|$)`)

// Reserved says whether no file can have a name on Windows: it is a device, or ends in characters that Windows
// removes. Names become names of files and folders, and repositories are shared.
func Reserved(name string) bool {
	return devices.MatchString(name) || strings.TrimRight(name, ". ") != name
}

// nameOfFiles reports a name that cannot be a file name, at its node.
func (d *decoder) nameOfFiles(n *syntax.Node, what, name string) {
	if Reserved(name) {
		d.errorf(n, "links/name", "choose another name", "%s cannot be called %q: no file can have that name on Windows",
			what, name)
	}
}
