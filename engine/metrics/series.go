package metrics

import "time"

// Point is one reading of a metric at a moment of the run.
type Point struct {
	At time.Duration
	V  float64
}

// Series returns the samples of a cell metric in the order taken, warm-ups included, or those of the whole run if the
// cell has none. Facts are not part of it.
func (c *Cell) Series(name string) []Point {
	all := c.observed[name]
	if len(all) == 0 && c.run != nil {
		all = c.run.observed[name]
	}
	var out []Point
	for _, o := range all {
		if !o.fact {
			out = append(out, Point{o.at, o.value})
		}
	}
	return out
}
