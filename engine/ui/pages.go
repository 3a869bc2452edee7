package ui

import (
	_ "embed"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"homellm/engine/event"
	"homellm/engine/exit"
	"homellm/engine/history/index"
	"homellm/engine/metrics"
	"homellm/engine/report"
	"homellm/engine/text"
)

//go:embed page/list.tmpl
var listText string

var listPage = report.NewPage(listText)

// mostListed limits the runs in the list.
const mostListed = 500

// listed is the data of the list of runs.
type listed struct {
	Dir                      string
	Query, Scenario, Verdict string
	Scenarios, Verdicts      []string
	Rows                     []listedRun
	Shown, All, Other        string
}

type listedRun struct {
	index.Run
	Cells, Class, Word   string
	Ran                  string
	ToRun, ToScenario    string
	PickedOld, PickedNew bool
}

// list writes the page of the runs that match the filter.
func (s *Server) list(r *http.Request, w io.Writer) error {
	all, err := s.fresh(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p := listed{Dir: text.Path(s.runs.Dir), Query: q.Get("q"), Scenario: q.Get("scenario"), Verdict: q.Get("verdict")}
	for _, one := range all {
		one := listedRun{Run: one, Word: s.word(one)}
		p.Scenarios = append(p.Scenarios, one.Scenario)
		p.Verdicts = append(p.Verdicts, one.Word)
		if !p.matches(one) {
			continue
		}
		if len(p.Rows) < mostListed {
			p.Rows = append(p.Rows, one.row())
		} else {
			p.Other = "The newest " + text.Count(mostListed) + " runs are listed; filter for others."
		}
	}
	slices.Sort(p.Scenarios)
	p.Scenarios = slices.Compact(p.Scenarios)
	slices.Sort(p.Verdicts)
	p.Verdicts = slices.Compact(p.Verdicts)
	p.Shown, p.All = text.Count(float64(len(p.Rows))), text.Plural(len(all), "run")
	p.pick()
	return report.WritePage(w, "Runs · homellm", listPage, p)
}

// fresh returns the current list of all runs.
func (s *Server) fresh(r *http.Request) ([]index.Run, error) {
	err := s.index.Refresh(r.Context())
	if err == nil {
		var all []index.Run
		if all, err = s.index.Runs(r.Context()); err == nil {
			return all, nil
		}
	}
	return nil, exit.Errorf(exit.Environment, "", "reading the index of %s: %w", s.runs.Dir, err)
}

// word returns the verdict of a run, or its state if it has none.
func (s *Server) word(r index.Run) string {
	if r.Finished {
		return string(r.Verdict)
	}
	path, err := s.runs.Journal(r.Name)
	if err != nil {
		return "gone"
	}
	journal, err := event.Follow(path)
	if err != nil {
		return "gone"
	}
	defer journal.Close()
	if journal.Written() {
		return "running"
	}
	return "not finished"
}

// matches reports whether the name, the scenario or the cells of a run contain every word of the filter.
func (p listed) matches(r listedRun) bool {
	if p.Scenario != "" && p.Scenario != r.Scenario || p.Verdict != "" && p.Verdict != r.Word {
		return false
	}
	has := strings.ToLower(strings.Join(append([]string{r.Name, r.ID, r.Scenario}, r.Run.Cells...), "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(p.Query)) {
		if !strings.Contains(has, word) {
			return false
		}
	}
	return true
}

// pick preselects two runs to compare: the newest, and the one of the same scenario before it.
func (p *listed) pick() {
	for i := range p.Rows {
		if !p.Rows[i].Finished {
			continue
		}
		for k := i + 1; k < len(p.Rows); k++ {
			if p.Rows[k].Finished && p.Rows[k].Scenario == p.Rows[i].Scenario {
				p.Rows[i].PickedNew, p.Rows[k].PickedOld = true, true
				return
			}
		}
	}
}

var classes = map[event.Outcome]string{event.Pass: "pass", event.Fail: "fail", metrics.Broken: "fail"}

// row fills in the texts and links of a listed run.
func (r listedRun) row() listedRun {
	r.Cells, r.Class, r.Ran = strings.Join(r.Run.Cells, "; "), "unknown", r.Started.Format("2006-01-02 15:04")
	r.ToRun, r.ToScenario = to("run", "name", r.Name), to("history", "scenario", r.Scenario)
	if class := classes[r.Verdict]; class != "" && r.Finished {
		r.Class = class
	}
	return r
}

// to returns the address of a page with query parameters.
func to(page string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return page + "?" + q.Encode()
}

// back is the link to the list.
var back = report.Link{Href: ".", Text: "All runs"}

// run writes the page of one run.
func (s *Server) run(r *http.Request, w io.Writer) error {
	name := r.URL.Query().Get("name")
	fold, playing, err := s.folds.of(name)
	if err != nil {
		return err
	}
	links := []report.Link{back, {Href: to("history", "scenario", fold.Started.Scenario.Name), Text: "Over all its runs"}}
	if before := s.before(r, name, fold); before != "" {
		links = append(links, report.Link{Href: to("diff", "old", before, "new", name), Text: "Beside the run before"})
	}
	return report.RunHTML(w, fold, report.View{Links: links, Live: playing})
}

// before returns the name of the previous run of the same scenario; empty if there is none.
func (s *Server) before(r *http.Request, name string, fold *metrics.Run) string {
	all, err := s.fresh(r)
	if err != nil {
		return "" // the page of the run does without the link
	}
	past := false
	for _, one := range all {
		switch {
		case one.Name == name:
			past = true
		case past && one.Finished && one.Scenario == fold.Started.Scenario.Name:
			return one.Name
		}
	}
	return ""
}

// diff writes the page of two runs side by side.
func (s *Server) diff(r *http.Request, w io.Writer) error {
	q := r.URL.Query()
	var both [2]*metrics.Run
	for i, key := range []string{"old", "new"} {
		name := q.Get(key)
		if name == "" {
			return exit.Errorf(exit.Usage, "", "choose an old run and a new one in the list")
		}
		fold, _, err := s.folds.of(name)
		if err != nil {
			return err
		}
		both[i] = fold
	}
	return report.CompareHTML(w, both[0], both[1], report.View{Links: []report.Link{back,
		{Href: to("run", "name", q.Get("old")), Text: "The old run"},
		{Href: to("run", "name", q.Get("new")), Text: "The new run"},
		{Href: to("diff", "old", q.Get("new"), "new", q.Get("old")), Text: "The other way round"}}})
}

// history writes the page of all runs of a scenario.
func (s *Server) history(r *http.Request, w io.Writer) error {
	q := r.URL.Query()
	scenario := q.Get("scenario")
	if err := s.index.Refresh(r.Context()); err != nil {
		return exit.Errorf(exit.Environment, "", "reading the index of %s: %w", s.runs.Dir, err)
	}
	all, err := s.index.Of(r.Context(), scenario)
	if err != nil {
		return exit.Errorf(exit.Environment, "", "reading the index of %s: %w", s.runs.Dir, err)
	}
	if len(all) == 0 {
		return exit.Errorf(exit.Usage, "", "there are no finished runs of this scenario in %s", s.runs.Dir)
	}
	return report.HistoryHTML(w, scenario, all, q.Get("metric"), report.View{Links: []report.Link{back,
		{Href: to("", "scenario", scenario), Text: "Its runs"}}})
}
