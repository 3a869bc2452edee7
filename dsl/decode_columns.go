package dsl

import (
	"fmt"
	"regexp"
	"slices"

	"homellm/dsl/dataset"
	"homellm/dsl/expr"
	"homellm/dsl/syntax"
)

// itemForm matches a reference to a column.
var itemForm = regexp.MustCompile(`^\$\{([a-z][a-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)\}$`)

// itemValue is the value of a reference to the item whose conversation is being read; known: it is such a reference.
func (d *decoder) itemValue(n *syntax.Node, reference string) (v any, ok, known bool) {
	m := itemForm.FindStringSubmatch(reference)
	if m == nil || d.set == nil || m[1] != d.set.name {
		return nil, false, false
	}
	if v, ok = d.set.now.Values[m[2]]; !ok {
		if !d.hasColumn(n, m[2]) {
			return nil, false, true
		}
		d.checkColumn(m[2], false)
	}
	return v, ok, true
}

// hasColumn reports a column that no item has.
func (d *decoder) hasColumn(n *syntax.Node, column string) bool {
	columns := d.set.set.Columns()
	if slices.Contains(columns, column) {
		return true
	}
	d.errorf(n, "links/item", syntax.SuggestOr(column, columns, "columns"), "no item of the data set has a column %q",
		column)
	return false
}

// someItems is how many items a finding about a column is given for.
const someItems = 3

// checkColumn reports items that have no value of a column, and where an expression reads it, values of another type
// than the first.
func (d *decoder) checkColumn(column string, typed bool) {
	if key := fmt.Sprint(column, typed); d.set.checked[key] {
		return
	} else {
		d.set.checked[key] = true
	}
	kind := d.set.kindOf(column)
	bad := 0
	for _, item := range d.set.items {
		v, ok := item.Values[column]
		_, filled := item.source.Values[column].(dataset.Other)
		var message string
		switch k := expr.LiteralKind(v); {
		case ok && (!typed || k == kind || k == expr.Int && kind == expr.Float):
			continue
		case ok:
			message = fmt.Sprintf("column %q is %s here and %s in another item", column, k.Words(), kind.Words())
		case filled:
			message = fmt.Sprintf("column %q is %s here, and a text, a number or a truth is needed", column,
				item.source.Values[column])
		default:
			message = fmt.Sprintf("this item has no column %q", column)
		}
		if bad++; bad <= someItems {
			d.diags = append(d.diags, d.set.set.Finding(item.source, column, "", "%s", message))
		}
	}
	if bad > someItems {
		last := &d.diags[len(d.diags)-1]
		last.Help = fmt.Sprintf("so are %d more items", bad-someItems)
	}
}
