package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"homellm/engine/text"
)

// markdownLimit is the length of a Markdown report in bytes: it fits a comment of a pull request, which GitHub limits
// to 65,536 characters and GitLab to far more, with room for a heading.
const markdownLimit = 60_000

// detail says how much of a run a Markdown report includes: what did not pass is dropped last.
type detail struct {
	evidence int  // assertions with their evidence, for each cell
	passed   bool // list what passed
	turns    bool // describe every turn
	rows     int  // assertions listed, for each cell
	cells    int
}

// details are tried in turn until a report fits.
var details = []detail{
	{math.MaxInt, true, true, math.MaxInt, math.MaxInt},
	{math.MaxInt, true, false, math.MaxInt, math.MaxInt},
	{20, true, false, math.MaxInt, math.MaxInt},
	{10, false, false, 200, math.MaxInt},
	{3, false, false, 40, 60},
	{1, false, false, 10, 20},
	{0, false, false, 3, 10},
	{0, false, false, 0, 0},
}

// leftOut counts what a shorter report omits.
type leftOut struct{ evidence, passed, rows, cells, turns int }

func (l leftOut) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{l.passed, "passed assertion"}, {l.rows, "other assertion"}, {l.evidence, "detail"}, {l.turns, "turn"},
		{l.cells, "cell"},
	} {
		if p.n > 0 {
			parts = append(parts, text.Plural(p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// fitting renders with less and less detail until the text is short enough, and says what is omitted.
func fitting(b *bytes.Buffer, render func(*bytes.Buffer, detail) leftOut) {
	for i, d := range details {
		var try bytes.Buffer
		left := render(&try, d)
		if what := left.String(); what != "" {
			fmt.Fprintf(&try, "\nLeft out to fit a comment: %s. The other reports of the run have everything.\n", what)
		}
		if try.Len() <= markdownLimit || i == len(details)-1 {
			b.Write(try.Bytes())
			return
		}
	}
}
