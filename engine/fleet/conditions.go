package fleet

import (
	"fmt"
	"strings"

	"homellm/dsl"
	"homellm/dsl/figure"
)

// condition is what cells require of a box. The answers are kept, because the same question is asked again whenever
// the queues are arranged. Jobs share it, so it is for one goroutine.
type condition struct {
	dsl.Requires
	text    string            // of the expression, with the values of vars and axes in it
	answers map[string]string // why a box does not meet it, by box and worker; empty: it does
}

func (c *condition) unmet(b Box) string {
	of := b.ID() + " " + b.Instance // a worker never changes what it says of its machine
	why, asked := c.answers[of]
	if !asked {
		why = c.Unmet(b.Fact)
		c.answers[of] = why
	}
	return why
}

// conditions are those of a plan. Cells that require the same share one.
type conditions map[string]*condition

// of is the condition of a cell; nil: it has none.
func (all conditions) of(c *dsl.Cell) *condition {
	r := c.Scenario.Requires
	if r.Box == nil {
		return nil
	}
	text := []string{r.Box.That}
	for _, path := range r.Box.Paths() {
		group, name, _ := strings.Cut(path, ".")
		switch group {
		case string(figure.Axes):
			text = append(text, fmt.Sprintf("%s=%#v", path, c.Values[name]))
		case string(figure.Vars):
			text = append(text, fmt.Sprintf("%s=%#v", path, c.Scenario.Vars[name]))
		}
	}
	same := strings.Join(text, " ")
	if all[same] == nil {
		all[same] = &condition{Requires: r, text: same, answers: map[string]string{}}
	}
	return all[same]
}
