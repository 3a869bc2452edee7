package expr

import (
	"fmt"
	"regexp"
	"time"
)

// The limits of an evaluation. They are far above what a sensible assertion needs; one that reaches them is unknown,
// never a pass.
const (
	memoryBudget = 10_000  // elements of lists
	stepBudget   = 100_000 // predicate calls
	maxText      = 4 << 20 // bytes of a text that an expression builds
	maxParts     = 1 << 20 // of a text that is split
	maxEval      = 2 * time.Second
)

// runtime is the state of one evaluation.
type runtime struct {
	program *program
	values  []Value
	steps   int
	misfits []string // the texts that did not conform to a schema, and where
	started time.Time

	patterns map[string]*regexp.Regexp
	answer   *answerText
}

func newRuntime(p *program, values []Value) *runtime {
	return &runtime{program: p, values: values, started: time.Now()}
}

// late is an error if the evaluation has taken too long.
func (r *runtime) late() error {
	if time.Since(r.started) > maxEval {
		return fmt.Errorf("the expression takes longer than %s", maxEval)
	}
	return nil
}

// answerText is the last text that was decoded. It is kept because several calls usually ask for parts of the same
// text.
type answerText struct {
	text string
	v    any
	err  error
}
