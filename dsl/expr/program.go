package expr

import (
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"homellm/dsl/syntax"
	"homellm/schema"
)

// program is a compiled expression. It holds no state of an evaluation, so it may be shared.
type program struct {
	code    *vm.Program
	tree    ast.Node // what code was compiled from
	once    sync.Once
	parts   map[ast.Node]*vm.Program // of the tree, compiled when values are missing for the first time
	leaves  []leaf                   // each path once, in order of appearance
	spans   []span                   // where the leaves stand
	bounds  []bound                  // comparisons with constants that must hold for the assertion to pass
	apart   []difference             // comparisons of measured values with each other, wherever they stand
	smallN  bool                     // percentiles of few samples are allowed
	schemas []namedSchema
}

// leaf is one value that an expression reads.
type leaf struct {
	path     string
	metric   string // the name below its group, such as cache.hit_rate
	kind     Kind
	unit     string
	measured bool
	reported bool   // the server's replies have to tell it
	rate     bool   // a share from 0 to 1
	signed   bool   // may lie below 0
	whole    bool   // a count, or a count out of a distribution of counts
	constant any    // the value of a var or an axis
	source   string // where the constant stands
	floor    int    // of a percentile: the samples it needs
	samples  int    // that are planned for it; 0: not known when the file is read
}

// namedSchema is a schema that an expression holds a text against.
type namedSchema struct {
	name   string
	schema *schema.AnswerSchema
}

// span is a stretch of the expression, in runes.
type span struct {
	leaf     int
	from, to int
}

// bound is a necessary condition: leaf op value.
type bound struct {
	leaf     int
	op       string // < <= > >= ==
	value    float64
	from, to int
}

// problem is a finding about an expression. From and to are rune offsets into it; to is 0 if
// only the start is known.
type problem struct {
	from, to int
	severity syntax.Severity
	code     string
	message  string
	help     string
}

// difference is one side of a comparison less the other.
type difference struct {
	leaves  []int
	factors []float64
	offset  float64
}

// smallNHelp says what to do about a percentile of too few values.
const smallNHelp = "raise run.repeats, use .p50, or set allow_small_n: true on this assertion"
