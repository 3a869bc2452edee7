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

// History prints histories as tables: a row for each figure with the places where its level changed or, where a figure
// is named, a row for each run.
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
		known, first, last := 0, readable.Unknown, readable.Unknown
		for _, r := range h.Runs {
			if v := r.Value(path); v.Known() {
				if known++; known == 1 {
					first = unitAfter(readable.Value(v.Value), v.Unit)
				}
				last = unitAfter(readable.Value(v.Value), v.Unit)
			}
		}
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
	Charts    []chart.Chart
}

// HistoryHTML writes histories as a page with a chart for each figure; of one figure where it is named.
func HistoryHTML(w io.Writer, scenario string, all []history.History, path string) error {
	data := struct {
		Name  string
		Cells []historyCellPage
	}{Name: scenario}
	for i, h := range all {
		cell := historyCellPage{ID: fmt.Sprintf("cell-%d", i+1), Title: historyTitle(h)}
		differences := h.Differences()
		for k, p := range h.Paths() {
			if path != "" && p != path {
				continue
			}
			changes := h.Changes(p)
			for _, c := range changes {
				cell.Changes = append(cell.Changes, p+": "+changeText(h, c))
			}
			if c, ok := chart.History(fmt.Sprintf("%s-h%d", cell.ID, k+1), p, h, changes, differences); ok {
				cell.Charts = append(cell.Charts, c)
			}
		}
		data.Cells = append(data.Cells, cell)
	}
	var b bytes.Buffer
	if err := writePage(&b, "History: "+scenario+" · homellm", historyPage, data); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// SinceLast is one line on what moved since the last run, for each history that a run continues.
func SinceLast(all []history.Since, now time.Time) []string {
	var out []string
	for _, s := range all {
		head := "since the last run, " + ago(now.Sub(s.Last.Started))
		if len(all) > 1 {
			head = s.Cell + ": " + head
		}
		var said []string
		for _, path := range headlines(s) {
			i := slices.IndexFunc(s.Moves, func(m history.Move) bool { return m.Path == path })
			said = append(said, moveText(s.Moves[i]))
		}
		line := head + ": " + strings.Join(said, ", ")
		if left := history.EnoughRuns - s.Earlier; left > 0 {
			line += "; " + text.Plural(left, "more run") + " needed to judge"
		}
		if len(s.With) > 0 {
			line += "; also changed: " + strings.Join(compare.Texts(s.With), ", ")
		}
		out = append(out, line)
	}
	return out
}

// headlines are the figures that a line has room for: those that moved as they seldom do, else the first token of the
// last phase, the speed and the cache.
func headlines(s history.Since) []string {
	var out []string
	for _, m := range s.Moves {
		if m.Verdict == compare.Worse || m.Verdict == compare.Better {
			out = append(out, m.Path)
		}
	}
	if len(out) > 0 {
		return out[:min(len(out), 3)]
	}
	first := ""
	for _, m := range s.Moves {
		if strings.HasPrefix(m.Path, "phases.") && strings.HasSuffix(m.Path, ".ttft_ms") {
			first = m.Path
		}
	}
	for _, path := range []string{first, "run.output_tps", "run.cache.hit_rate"} {
		if slices.ContainsFunc(s.Moves, func(m history.Move) bool { return m.Path == path }) {
			out = append(out, path)
		}
	}
	return out
}

func moveText(m history.Move) string {
	show := func(v float64) string { return unitAfter(readable.Quantity(v, m.Unit), m.Unit) }
	by := readable.Percent(m.Change)
	if m.Unit == "ratio" {
		by = readable.Signed(m.Change, func(v float64) string { return readable.Significant(v, 2) })
	}
	out := fmt.Sprintf("%s %s -> %s (%s", m.Path, show(m.Old), show(m.New), by)
	if m.Verdict == compare.Worse || m.Verdict == compare.Better {
		out += fmt.Sprintf(", %s: usual is up to %s", m.Verdict, strings.TrimPrefix(readable.Percent(m.Usual), "+"))
	}
	return out + ")"
}

// unitAfter adds its unit to a number that has none where a column's head would say it.
func unitAfter(number, unit string) string {
	if strings.ContainsFunc(number, unicode.IsLetter) || number == readable.Unknown {
		return number
	}
	return readable.WithUnit(number, unit)
}

// ago says how long ago something was.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < time.Hour:
		return text.Plural(int(d.Minutes()), "minute") + " ago"
	case d < 48*time.Hour:
		return text.Plural(int(d.Hours()), "hour") + " ago"
	}
	return text.Plural(int(d.Hours()/24), "day") + " ago"
}
