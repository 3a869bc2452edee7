package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"homellm/engine/compare"
	"homellm/engine/history"
	"homellm/engine/metrics"
	"homellm/engine/report/chart"
	"homellm/engine/report/readable"
	"homellm/engine/text"
)

// History prints histories as tables: a row for each figure with the runs at which its level changed or, if a figure is
// named, a row for each run.
func History(w io.Writer, all []history.History, path string) error {
	for i, h := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\n\n", terminal(historyTitle(h)))
		var err error
		if path != "" {
			err = historyRuns(w, h, path)
		} else {
			err = historyFigures(w, h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func historyTitle(h history.History) string {
	first, last := h.Runs[0].Started.UTC(), h.Runs[len(h.Runs)-1].Started.UTC()
	return fmt.Sprintf("%s · %s · %s · %s, %s to %s", h.Scenario, h.Cell, h.Box, text.Plural(len(h.Runs), "run"),
		first.Format(time.DateOnly), last.Format(time.DateOnly))
}

func historyFigures(w io.Writer, h history.History) error {
	var rows [][]string
	quiet := 0
	for _, path := range h.Paths() {
		changes := h.Changes(path)
		if len(changes) == 0 && strings.HasPrefix(path, "steps.") {
			quiet++
			continue
		}
		known, first, last := ends(h, path)
		var said []string
		for _, c := range changes {
			said = append(said, changeText(h, c))
		}
		if len(said) == 0 {
			said = []string{readable.Unknown}
			if known >= 2*history.EnoughRuns {
				said[0] = "none"
			}
		}
		for i, line := range said {
			if i == 0 {
				rows = append(rows, []string{path, fmt.Sprint(known), first, last, line})
			} else {
				rows = append(rows, []string{"", "", "", "", line})
			}
		}
	}
	if err := Columns(w, []string{"figure", "runs", "first", "last", "change of level"}, rows, 1); err != nil {
		return err
	}
	if quiet > 0 {
		_, err := fmt.Fprintf(w, "\nNo change of level was found in %s of single steps; --metric shows one, "+
			"--format html all.\n", text.Plural(quiet, "figure"))
		return err
	}
	return nil
}

// ends are the first and the last known value of a figure, and in how many runs it is known.
func ends(h history.History, path string) (known int, first, last string) {
	first, last = readable.Unknown, readable.Unknown
	for _, r := range h.Runs {
		if v := r.Value(path); v.Known() {
			if known++; known == 1 {
				first = unitAfter(readable.Value(v.Value), v.Unit)
			}
			last = unitAfter(readable.Value(v.Value), v.Unit)
		}
	}
	return known, first, last
}

// changeText says when a level changed, by how much, and what else changed there.
func changeText(h history.History, c history.Change) string {
	first := h.Runs[c.At]
	out := fmt.Sprintf("%s on %s", change(c), first.Started.UTC().Format(time.DateOnly))
	if c.To > 0 {
		out = fmt.Sprintf("%s little by little, %s to %s", change(c), first.Started.UTC().Format(time.DateOnly),
			h.Runs[c.To].Started.UTC().Format(time.DateOnly))
	}
	if len(c.With) > 0 {
		out += " (" + strings.Join(compare.Texts(c.With), "; ") + ")"
	}
	return out
}

func change(c history.Change) string {
	if d, ok := metrics.OfPath(c.Path); ok && d.Unit == "ratio" || c.Before == 0 {
		return readable.Signed(c.After-c.Before, func(v float64) string { return readable.Significant(v, 2) })
	}
	return readable.Percent((c.After - c.Before) / math.Abs(c.Before))
}

func historyRuns(w io.Writer, h history.History, path string) error {
	changed, differences := map[int]string{}, h.Differences()
	for _, c := range h.Changes(path) {
		changed[c.At] = change(c)
	}
	var rows [][]string
	for i, r := range slices.Backward(h.Runs) {
		v := r.Value(path)
		rows = append(rows, []string{r.Started.UTC().Format("2006-01-02 15:04"), r.Name, string(r.Verdict),
			unitAfter(readable.Value(v.Value), v.Unit), unitAfter(chart.Middle(v), v.Unit), fmt.Sprint(v.N),
			changed[i], strings.Join(compare.Texts(differences[i]), "; ")})
	}
	return Columns(w, []string{"started (UTC)", "run", "verdict", path, "middle half", "repeats", "change",
		"changed with it"}, rows, 3)
}

// historyDocument is a history as JSON.
type historyDocument struct {
	Schema    string        `json:"schema"`
	Scenario  string        `json:"scenario"`
	Histories []historyCell `json:"histories"`
}

type historyCell struct {
	Cell    string          `json:"cell"`
	Box     string          `json:"box"`
	Runs    []historyRun    `json:"runs"`
	Changes []historyChange `json:"changes"`
}

type historyRun struct {
	Run         string                   `json:"run"`
	ID          string                   `json:"id"`
	Started     time.Time                `json:"started"`
	Verdict     string                   `json:"verdict"`
	Differences []compare.Mismatch       `json:"differences"`
	Figures     map[string]historyFigure `json:"figures"`
}

type historyFigure struct {
	Value   *float64 `json:"value"` // null: unknown
	Why     string   `json:"why,omitempty"`
	Unit    string   `json:"unit"`
	Low     *float64 `json:"low"` // quartiles of the repeats
	High    *float64 `json:"high"`
	Repeats int      `json:"repeats"`
}

type historyChange struct {
	Figure string             `json:"figure"`
	Run    string             `json:"run"`          // the first of the new level
	To     string             `json:"to,omitempty"` // the last of a steady change
	Before float64            `json:"before"`
	After  float64            `json:"after"`
	With   []compare.Mismatch `json:"with"`
}

// HistoryJSON writes histories as a document of the schema homellm.history/v1.
func HistoryJSON(w io.Writer, scenario string, all []history.History) error {
	doc := historyDocument{Schema: "homellm.history/v1", Scenario: scenario, Histories: []historyCell{}}
	for _, h := range all {
		cell := historyCell{Cell: h.Cell, Box: h.Box, Runs: []historyRun{}, Changes: []historyChange{}}
		paths, differences := h.Paths(), h.Differences()
		for i, r := range h.Runs {
			run := historyRun{r.Name, r.ID, r.Started, string(r.Verdict), append([]compare.Mismatch{}, differences[i]...),
				map[string]historyFigure{}}
			for _, path := range paths {
				v := r.Value(path)
				f := historyFigure{Unit: v.Unit, Why: v.Why, Repeats: v.N}
				if n, ok := v.Number(); ok {
					f.Value, f.Low, f.High = &n, &v.Low, &v.High
				}
				run.Figures[path] = f
			}
			cell.Runs = append(cell.Runs, run)
		}
		for _, path := range paths {
			for _, c := range h.Changes(path) {
				one := historyChange{path, h.Runs[c.At].Name, "", c.Before, c.After, append([]compare.Mismatch{}, c.With...)}
				if c.To > 0 {
					one.To = h.Runs[c.To].Name
				}
				cell.Changes = append(cell.Changes, one)
			}
		}
		doc.Histories = append(doc.Histories, cell)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// historyCellPage is a history on the page.
type historyCellPage struct {
	ID, Title string
	Changes   []string
	Charts    []chart.Chart // of the figures that changed their level, or of the only one
	Steady    []chart.Chart // of all others, folded
	Numbers   chart.Table   // the first and the last value of each figure; no rows: of one alone
}

// HistoryHTML writes histories as a page with a chart for each figure, or only for the named one.
func HistoryHTML(w io.Writer, scenario string, all []history.History, path string, v View) error {
	data := struct {
		View
		Name    string
		Figure  string
		Figures []string // to choose from; none in a file
		Cells   []historyCellPage
	}{View: v, Name: scenario, Figure: path}
	if len(v.Links) > 0 {
		data.Figures = history.Figures(all)
	}
	for i, h := range all {
		cell := historyCellPage{ID: fmt.Sprintf("cell-%d", i+1), Title: historyTitle(h),
			Numbers: chart.Table{Caption: "Each figure in its first and its last run", Head: []string{"figure", "first", "last",
				"runs"}, Left: 1}}
		differences := h.Differences()
		for k, p := range h.Paths() {
			if path != "" && p != path {
				continue
			}
			changes := h.Changes(p)
			for _, c := range changes {
				cell.Changes = append(cell.Changes, p+": "+changeText(h, c))
			}
			c, ok := chart.History(fmt.Sprintf("%s-h%d", cell.ID, k+1), p, h, changes, differences)
			switch {
			case !ok:
				continue
			case len(changes) > 0, path != "":
				cell.Charts = append(cell.Charts, c)
			default:
				cell.Steady = append(cell.Steady, c)
			}
			if known, first, last := ends(h, p); path == "" {
				cell.Numbers.Rows = append(cell.Numbers.Rows, chart.Row{Cells: []string{p, first, last, fmt.Sprint(known)}})
			}
		}
		data.Cells = append(data.Cells, cell)
	}
	var b bytes.Buffer
	around := shell{forms: len(v.Links) > 0}
	if err := around.write(&b, "History: "+scenario+" · homellm", historyPage, data); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// unitAfter adds the unit to a number that lacks it because a column's head would give it.
func unitAfter(number, unit string) string {
	if strings.ContainsFunc(number, unicode.IsLetter) || number == readable.Unknown {
		return number
	}
	return readable.WithUnit(number, unit)
}
