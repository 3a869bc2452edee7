package metrics

// Shown says where reports show a metric, besides the lists of all metrics. In each place lower ranks come first; a
// metric without a rank comes last, in the order of [Defs].
type Shown struct {
	Columns []Column // of the table of a cell
	Line    *Line    // in a chart over the turns
	Box     string   // name in the charts of distributions, in the colour of Line; empty: in none
	Tile    *Tile    // at the head of a cell's page
	Strip   *Strip   // over the time of a cell; for sampled metrics
	Delta   *Delta   // in side by side views of two runs
	Beside  *Beside  // where the cells of a run stand beside each other

	Property string // statistic of each phase among the properties of a test suite; empty: none
}

// Column is a column of a cell's table: a statistic of each phase or conversation.
type Column struct {
	Rank  int
	Head  string
	After string // the head if the previous column does not explain it; empty: Head
	Stat  string
}

// Line is a line of a chart over the turns of a cell. Metrics of one unit can share a chart.
type Line struct {
	Chart   string // title
	Caption string // subtitle of the chart; its first metric gives it
	Alone   string // title of a chart of this metric alone; empty: Chart
	Label   string
	Color   int  // 1 to 3
	Limit   bool // the upper limit of the other lines: drawn behind them, in its own colour
}

// Tile is a figure at the head of a page.
type Tile struct {
	Name string
	Stat string // of a metric of turns
	Of   string // the metric of the best possible value; empty: none
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

// Beside is a figure of each cell where the cells of a run stand beside each other.
type Beside struct {
	Rank  int
	Head  string
	Stat  string
	Whole bool // of the run as a whole, not of each phase
	Users bool // only where several users play
}
