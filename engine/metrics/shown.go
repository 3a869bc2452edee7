package metrics

// Shown says where reports show a metric beside the lists of all metrics. A place with a rank comes before those of
// a higher rank; without one it comes last, in the order of [Defs].
type Shown struct {
	Columns []Column // of the table of a cell
	Line    *Line    // in a chart over the turns
	Box     string   // name in the charts of distributions, which have the colour of Line; empty: in none
	Tile    *Tile    // at the head of a cell's page
	Strip   *Strip   // over the time of a cell; of what is sampled
	Delta   *Delta   // where two runs stand side by side

	Property string // statistic of each phase among the properties of a test suite; empty: in none
}

// Column is a column of a cell's table: a statistic of each phase or conversation.
type Column struct {
	Rank  int
	Head  string
	After string // what Head is called where the column before it does not explain it; empty: Head
	Stat  string
}

// Line is a line of a chart over the turns of a cell. Metrics of one unit can share a chart.
type Line struct {
	Chart   string // title
	Caption string // of the chart; its first metric says it
	Alone   string // title of a chart of this metric alone; empty: as Chart
	Label   string
	Color   int  // 1 to 3
	Limit   bool // what the other lines cannot exceed: drawn behind them, in its own colour
}

// Tile is a figure that a reader looks for first.
type Tile struct {
	Name string
	Stat string // of a metric of turns
	Of   string // the metric that says how much was possible; empty: none
	Note string // below the figure; empty: the number of turns
}

// Strip is a chart over the time of a cell. Metrics of one unit can share it.
type Strip struct {
	Rank  int
	Title string
}

// Delta is a statistic of two runs side by side.
type Delta struct {
	Rank int
	Stat string
}
