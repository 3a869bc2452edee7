package metrics

// Name is one name that expressions may use.
type Name struct {
	Path      string // below its scope's object, such as cache.hit_rate below turn
	Kind      Kind
	Unit      string
	Doc       string
	Rate      bool // always within 0..1
	Signed    bool // may be negative
	Aggregate bool // also exists over several turns: below steps, phases and conversations
	Better    int  // +1: higher is better, -1: lower is better, 0: neither
	Reported  bool // the server's replies must report it
}

// Names lists what expressions may name, in the order of [Defs].
type Names struct {
	Turn         []Name // below turn., first_turn. and steps.<id>.
	Conversation []Name // below conv. and conversations.<id>., besides the aggregates of Turn
	Run          []Name // below run.
	Cell         []Name // at the top of scenario scope: gpu.power_w, each also with a statistic
}

// Vocabulary lists every name of [Defs].
func Vocabulary() Names {
	var out Names
	for _, level := range []struct {
		of   Level
		into *[]Name
	}{
		{TurnLevel, &out.Turn}, {ConversationLevel, &out.Conversation}, {RunLevel, &out.Run}, {CellLevel, &out.Cell},
	} {
		for i := range Defs {
			d := &Defs[i]
			if !d.At(level.of) {
				continue
			}
			*level.into = append(*level.into, Name{
				Path: d.Name, Kind: d.Kind, Unit: d.Unit, Doc: d.Doc, Rate: d.Rate, Signed: d.Signed,
				Aggregate: d.Aggregate(), Better: d.Better, Reported: d.Support == "cache" || d.Support == "usage",
			})
		}
	}
	return out
}

// Defs lists the metrics that the cell has: those of the table, with one for each of its objectives in place of those
// for any, and drifts only if it is played for a time.
func (c *Cell) Defs() []*Def {
	out := make([]*Def, 0, len(Defs))
	for i := range Defs {
		d := &Defs[i]
		if d.drift != "" && c.Windows == nil {
			continue // nobody has asked how it changed
		}
		if !d.Any() {
			out = append(out, d)
			continue
		}
		for _, o := range c.Planned.SLO {
			out = append(out, d.Of(o.Name))
		}
	}
	return out
}
