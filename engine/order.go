package engine

import "homellm/dsl"

// pass is one play of a cell's conversations. Warm-up passes are counted separately, from 1.
type pass struct {
	cell   int // index in the plan
	repeat int // from 1
	warmup bool

	windows *windows // of a cell that is played for a time, each of which is a repeat; nil: the pass is one repeat
	play    int      // number of the play of a conversation in its window by its user, from 1; 0: there are no windows
}

// measured is the number of measured passes of a cell: one for each repeat, or one for all windows.
func measured(run dsl.Run) int {
	if run.Duration > 0 {
		return 1
	}
	return run.Repeats
}

// schedule returns the order in which the passes of a plan are played. Warm-ups of a cell come before its first
// measured pass.
//
// - sequential finishes one cell before the next begins;
// - interleaved plays A1 B1 A2 B2 …, so that drift of the machine affects all cells;
// - abba alternates the direction, A1 B1 B2 A2 A3 B3 …, which cancels a linear drift.
func schedule(cells []*dsl.Cell, playable []int) []pass {
	if len(playable) == 0 {
		return nil
	}
	var out []pass
	warm := func(i int) {
		for r := 1; r <= cells[i].Scenario.Run.Warmup; r++ {
			out = append(out, pass{cell: i, repeat: r, warmup: true})
		}
	}
	if cells[playable[0]].Scenario.Run.Order == dsl.Sequential {
		for _, i := range playable {
			warm(i)
			for r := 1; r <= measured(cells[i].Scenario.Run); r++ {
				out = append(out, pass{cell: i, repeat: r})
			}
		}
		return out
	}
	most := 0
	for _, i := range playable {
		warm(i)
		most = max(most, cells[i].Scenario.Run.Repeats)
	}
	mirror := cells[playable[0]].Scenario.Run.Order == dsl.ABBA
	for r := 1; r <= most; r++ {
		for k := range playable {
			if mirror && r%2 == 0 {
				k = len(playable) - 1 - k
			}
			if i := playable[k]; r <= cells[i].Scenario.Run.Repeats {
				out = append(out, pass{cell: i, repeat: r})
			}
		}
	}
	return out
}
