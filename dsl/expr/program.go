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
	parts   map[ast.Node]*vm.Program // parts of the tree, compiled when values are missing for the first time
	leaves  []leaf                   // each path once, in order of appearance
	spans   []span                   // positions of the leaves
	bounds  []bound                  // comparisons with constants that must hold for the assertion to pass
	apart   []difference             // comparisons between measured values, anywhere in the expression
	claims  []claim                  // of an assertion with a confidence: all that must hold
	cells   []CellRef                // that are named
	smallN  bool                     // percentiles of small samples are allowed
	schemas []namedSchema
	paths   []jsonPath
}

// leaf is one value that an expression reads.
type leaf struct {
	path     string
	metric   string // the name below its group, such as cache.hit_rate
	kind     Kind
	unit     string
	measured bool
	reported bool   // the server's replies must report it
	rate     bool   // a share from 0 to 1
	signed   bool   // may be negative
	whole    bool   // a count, or the count of a distribution
	constant any    // the value of a var or an axis
	source   string // source of the constant
	floor    int    // of a percentile: the samples it needs
	samples  int    // planned samples; 0: unknown when the file is read
}

// namedSchema is a schema that an expression checks a text against.
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

// problem is a finding about an expression. From and to are rune offsets into it; to is 0 if only the start is known.
type problem struct {
	from, to int
	severity syntax.Severity
	code     string
	message  string
	help     string
}

// difference is one side of a comparison minus the other.
type difference struct {
	leaves  []int
	factors []float64
	offset  float64
}

// smallNHelp says what to do about a percentile of too few values.
const smallNHelp = "raise run.repeats, use .p50, or set allow_small_n: true on this assertion"

// claim is a comparison: its difference op 0.
type claim struct {
	difference
	op string // < <= > >=
}

// CellRef is a cell that an assertion in overall scope names.
type CellRef struct {
	Prefix string         // of the paths of its figures: cell({quant: "q4"}).
	Values map[string]any // of the axes that it names
}
