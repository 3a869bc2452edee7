package expr

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"

	"homellm/dsl/figure"
)

// confident finds the claims of an assertion that asks for a confidence, and reports what has no interval.
func (c *compilation) confident(n ast.Node) {
	b, ok := n.(*ast.BinaryNode)
	if ok && (b.Operator == "&&" || b.Operator == "and") {
		c.confident(b.Left)
		c.confident(b.Right)
		return
	}
	var d difference
	if !ok || !strings.ContainsAny(b.Operator, "<>") || !c.linear(b.Left, 1, &d) || !c.linear(b.Right, -1, &d) {
		c.failAt(n, "expr/confidence", "write comparisons by < <= > >= of figures times constants, joined by &&: "+
			"x < 0.8 * y", "no interval is known for this")
		return
	}
	means, scores, ok := c.sampled(n, d)
	if !ok {
		return
	}
	c.program.claims = append(c.program.claims, claim{d, b.Operator})
	if scores {
		return // its sample does not grow with the repeats
	}
	need := 2 // for the variance of a mean
	if !means {
		need = leastRepeats(c.scope.env.Confidence, c.scope.env.InTurn)
	}
	if c.scope.env.Repeats < need {
		c.failAt(n, "expr/samples", fmt.Sprintf("raise run.repeats to %d or more, or ask for less confidence", need),
			"no difference of %s is certain with %.4g %% confidence, however large it is", times(c.scope.env.Repeats, 1),
			100*c.scope.env.Confidence)
	}
}

// sampled says whether a difference is one of means, and whether one of pass rates, whose sample is items. It is not ok
// if no interval is known for it, which is reported.
func (c *compilation) sampled(n ast.Node, d difference) (means, scores, ok bool) {
	mean, median, score := "", "", 0
	for _, i := range d.leaves {
		path := c.program.leaves[i].path
		why, ofMean, ofScore := c.interval(i)
		if why != "" {
			help := "compare medians or means: .p50 or .mean"
			if ofScore {
				help = "ask a data set with for_each, or leave confidence out"
			}
			c.failAt(n, "expr/confidence", help, "%s has no interval: %s", path, why)
			return false, false, false
		}
		if ofMean {
			mean = path
		} else {
			median = path
		}
		if ofScore {
			score++
		}
	}
	switch {
	case score > 0 && score < len(d.leaves):
		c.failAt(n, "expr/confidence", "compare pass rates with pass rates and numbers",
			"a pass rate is over the items of a data set and other figures are over repeats, which make no pairs")
	case mean != "" && median != "":
		c.failAt(n, "expr/confidence", "write .p50 or .mean for all of them",
			"%s is a mean and %s a median, and the difference of the two has no interval", mean, median)
	default:
		return median == "", score > 0, true
	}
	return false, false, false
}

// apart reports cells whose figures are compared with a confidence although they are played on different machines.
func (c *compilation) apart(n ast.Node) {
	for _, a := range c.scope.env.Axes {
		if !a.Apart {
			continue
		}
		for _, ref := range c.program.cells {
			if ref.Values[a.Name] != c.program.cells[0].Values[a.Name] {
				help := fmt.Sprintf("leave %s out of all cells: it is then judged for each %[1]s; or leave confidence out", a.Name)
				c.failAt(n, "expr/confidence", help,
					"no confidence is known for cells of two machines, which are not played in turn")
				return
			}
		}
	}
}

// interval says whether a value is a mean, and whether it is a pass rate, or why no interval is known for it.
func (c *compilation) interval(leaf int) (why string, mean, score bool) {
	path := c.program.leaves[leaf].path
	for _, ref := range c.program.cells {
		path = strings.TrimPrefix(path, ref.Prefix)
	}
	if name, ok := figure.CutScore(path); ok {
		if !c.scope.env.OfItems[name] {
			return "it is no share of the items of a data set", true, true
		}
		return "", true, true
	}
	sample, stat := path, ""
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		for _, s := range statistics {
			if s.name == path[i+1:] {
				sample, stat = path[:i], s.name
			}
		}
	}
	switch stat {
	case "", "p50", "mean":
	default:
		return "." + stat + " is neither a median nor a mean", false, false
	}
	if _, message, _ := c.scope.names.Sample(sample); message != "" {
		return message, false, false
	}
	return "", stat != "p50", false
}

// mostRepeats bounds what is asked for: with a confidence of 99.999 % it is 18.
const mostRepeats = 100

// leastRepeats is the number of repeats without which no difference of medians, however large, reaches a confidence.
// Two of the 2^n signs of n pairs are the most extreme, and two of the C(2n,n) orders of two samples of n.
func leastRepeats(confidence float64, inTurn bool) int {
	ways := 1.0
	n := 1
	for ; n < mostRepeats; n++ {
		if inTurn {
			ways *= 2
		} else {
			ways *= float64(2*(2*n-1)) / float64(n)
		}
		if 2/ways <= (1-confidence)*(1+1e-9) {
			break
		}
	}
	return n
}
