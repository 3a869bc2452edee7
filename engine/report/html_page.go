package report

import (
	"bytes"
	"crypto/sha256"

	"homellm/engine/report/readable"

	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// The parts of the page. The template escapes every text for its place; the style sheet and the script are constant,
// and the page's content security policy lets nothing else run or load.
var (
	//go:embed page/style.css
	pageStyle string
	//go:embed page/ui.css
	pageForms string
	//go:embed page/filter.js
	pageScript string
	//go:embed page/live.js
	pageLive string
	//go:embed page/run.tmpl
	pageRun string
	//go:embed page/parts.tmpl
	pageParts string
	//go:embed page/compare.tmpl
	pageCompare string
	//go:embed page/history.tmpl
	pageHistory string

	runPage     = NewPage(pageRun)
	comparePage = NewPage(pageCompare)
	historyPage = NewPage(pageHistory)
)

type fact struct{ Name, Value string }

// View describes a page that a program serves; the zero value is a page in a file.
type View struct {
	Links []Link // to other pages
	// Live says that the run is being played, so the page refreshes itself.
	Live bool
}

// Link leads to another page.
type Link struct{ Href, Text string }

// Page is the template of a page, which is parsed when the page is first written: most commands write none.
type Page func() *template.Template

// NewPage returns the template of a page, which can use the parts of reports.
func NewPage(text string) Page {
	return sync.OnceValue(func() *template.Template {
		return template.Must(template.Must(template.New("page").Parse(pageParts)).Parse(text))
	})
}

// WritePage writes a page with the look of a report, for a program that serves it. Its forms may be sent to that
// program.
func WritePage(w io.Writer, title string, t Page, data any) error {
	return whole(func(b *bytes.Buffer, data any, _ Options) error {
		return shell{forms: true}.write(b, title, t, data)
	})(w, data, Options{})
}

// shell is the HTML around a page.
type shell struct {
	forms bool // its forms may be sent to the program that serves it
	live  bool // it refreshes itself
}

// writePage assembles a page for a file.
func writePage(b *bytes.Buffer, title string, t Page, data any) error {
	return shell{}.write(b, title, t, data)
}

// write assembles a page. Characters that a terminal or a reader would act on are made visible in one pass over the
// finished page, so that none is missed.
func (s shell) write(b *bytes.Buffer, title string, t Page, data any) error {
	var body bytes.Buffer
	if err := t().Execute(&body, data); err != nil {
		return fmt.Errorf("filling in the page: %w", err)
	}
	scripts, style := []string{pageScript}, pageStyle
	allowed := ""
	if s.live {
		scripts = append(scripts, pageLive)
		allowed = "; connect-src 'self'"
	}
	forms := "'none'"
	if s.forms {
		forms, style = "'self'", style+pageForms
	}
	var sums []string
	for _, script := range scripts {
		sums = append(sums, digest(script))
	}
	policy := fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; "+
		"base-uri 'none'; form-action %s%s", digest(style), strings.Join(sums, " "), forms, allowed)
	fmt.Fprintf(b, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="homellm">
<title>%s</title>
<link rel="icon" href="data:,">
<style>%s</style>
</head>
`, policy, template.HTMLEscapeString(terminal(title)), style)
	for line := range strings.Lines(body.String()) {
		b.WriteString(terminal(strings.TrimSuffix(line, "\n")) + "\n")
	}
	for _, script := range scripts {
		fmt.Fprintf(b, "<script>%s</script>\n", script)
	}
	b.WriteString("</body>\n</html>\n")
	return nil
}

// digest returns the source expression for a script or a style sheet in a content security policy.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var verdictClasses = map[event.Outcome]string{
	event.Pass: "pass", event.Fail: "fail", metrics.Inconclusive: "unknown", metrics.Broken: "fail",
	metrics.Interrupted: "unknown",
}

func runFacts(r *metrics.Run) []fact {
	var out []fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, fact{name, value})
		}
	}
	add("run", r.Started.ID)
	if !r.Started.Started.IsZero() {
		add("started", r.Started.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if r.Done != nil {
		var end time.Duration
		for _, c := range r.Cells {
			for _, q := range c.Requests {
				end = max(end, q.Done)
			}
		}
		if end > 0 {
			add("took", readable.Quantity(1000*end.Seconds(), "ms"))
		}
	}
	add("homellm", r.Started.Homellm)
	add("scenario file", r.Started.Scenario.File)
	if sum := r.Started.Scenario.SHA256; sum != "" {
		add("scenario sha256", readable.Shorten(sum, 13))
	}
	add("options", strings.Join(r.Started.Options, " "))
	return out
}

var judgedSymbols = map[metrics.Judged]string{
	metrics.Passed: "✓", metrics.Failed: "✗", metrics.Unknown: "?", metrics.Allowed: "?", metrics.Warned: "!",
	metrics.Skipped: "–", metrics.Counted: "#",
}
