package chart

import (
	"cmp"
	"fmt"

	"homellm/engine/metrics"
	"homellm/engine/text"
)

// TurnsOfTwo draws the same metrics of the same turns in two runs, and says what it does not draw.
func TurnsOfTwo(id string, before, after *metrics.Cell, cells int) (out []Chart, absent []string) {
	limit := max(fewestSlots, pageSlots/cells)
	now, then := slotsOf(after, limit), slotsOf(before, limit)
	type key struct {
		slotKey
		turns int
	}
	at := map[key]slot{}
	for _, q := range then {
		at[key{slotKey{q.conversation, q.step, q.turn}, q.turns}] = q
	}
	matched := make([]slot, len(now)) // the old run's turns in the slots of the new run's
	same := 0
	for i, q := range now {
		k := key{slotKey{q.conversation, q.step, q.turn}, q.turns}
		if m, ok := at[k]; ok {
			matched[i] = m
			same++
		}
	}
	if same < max(len(now), len(then)) {
		absent = append(absent, fmt.Sprintf("of the old run's %s, %d are in the charts: the others are not in the new run",
			text.Plural(turnsIn(then), "turn"), turnsIn(matched)))
	}
	for i, of := range metrics.Charts() {
		line := of.Lines[0]
		for _, l := range of.Lines {
			if !l.At.Limit {
				line = l
				break
			}
		}
		tracks := []track{
			trackOf(before, matched, line.Def, "old", "old"), trackOf(after, now, line.Def, "new", lineClass(line.At)),
		}
		if !tracks[0].known() && !tracks[1].known() {
			absent = append(absent, of.Title+": "+whyUnknown(after, line.Def))
			continue
		}
		title := cmp.Or(line.At.Alone, of.Title)
		out = append(out, perTurn(fmt.Sprintf("%s-t%d", id, i), title, "Medians of the repeats; the bands are their ranges.",
			now, tracks, false))
	}
	return out, absent
}
