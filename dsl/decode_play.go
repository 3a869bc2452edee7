package dsl

import (
	"time"

	"homellm/dsl/syntax"
)

// think reads think_time: a duration, or a mapping.
func (d *decoder) think(n *syntax.Node) Think {
	out := Think{Distribution: constant}
	own := d.get(n, "think_time")
	if own == nil || own.Kind != syntax.MapKind {
		out.Mean = d.duration(n, "think_time", 0)
	} else {
		out.Mean = d.duration(own, "mean", 0)
		out.Distribution = d.strOr(own, "distribution", constant)
		if seed := d.get(own, "seed"); out.Distribution != constant {
			out.Seed = uint64(max(0, d.integer(own, "seed", 1)))
		} else if seed != nil {
			d.errorf(seed, "links/play", "write distribution: exponential or uniform, or leave seed out",
				"a constant time is not drawn, so that a seed changes nothing")
		}
	}
	if out.Mean == 0 {
		return Think{}
	}
	return out
}

// shortest is the shortest time for which a cell can be played.
const shortest = time.Second

// lasting reads duration, which takes the place of repeats.
func (d *decoder) lasting(n *syntax.Node, r *Run) {
	at := d.get(n, "duration")
	if at == nil {
		return
	}
	r.Duration = d.duration(n, "duration", 0)
	if at.Kind == syntax.StringKind && r.Duration < shortest {
		d.errorf(at, "plan/size", "", "duration: at least %v are needed for %d windows", shortest, Windows)
	}
	if repeats := n.Find("repeats"); repeats != nil {
		d.errorf(at, "links/play", "keep one of them",
			"duration and repeats (line %d, column %d) exclude each other: a cell that is played for a time has %d windows, "+
				"which are its repeats", repeats.Line, repeats.Col, Windows)
	}
	if order := d.get(n, "order"); order != nil && r.Order != Sequential {
		d.errorf(order, "links/play", "write order: sequential, or leave it out",
			"cells that are played for a time are not interrupted, so that their repeats cannot alternate")
	}
	r.Repeats, r.Order = Windows, Sequential
}
