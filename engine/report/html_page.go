package report

import (
	"bytes"
	"crypto/sha256"

	"homellm/engine/report/readable"

	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// The parts of the page. The template escapes every text for its place; the style sheet and the script are constant,
// and the page's content security policy lets nothing else run or load.
var (
	//go:embed page/style.css
	pageStyle string
	//go:embed page/filter.js
	pageScript string
	//go:embed page/run.tmpl
	pageRun string
	//go:embed page/parts.tmpl
	pageParts string
	//go:embed page/compare.tmpl
	pageCompare string
	//go:embed page/history.tmpl
	pageHistory string

	runPage     = template.Must(template.Must(template.New("run").Parse(pageParts)).Parse(pageRun))
	comparePage = template.Must(template.Must(template.New("compare").Parse(pageParts)).Parse(pageCompare))
	historyPage = template.Must(template.Must(template.New("history").Parse(pageParts)).Parse(pageHistory))
)

type fact struct{ Name, Value string }

// writePage assembles a page. Characters that a terminal or a reader would act on are made visible in one pass over
// the finished page, so that no place is forgotten.
func writePage(b *bytes.Buffer, title string, t *template.Template, data any) error {
	var body bytes.Buffer
	if err := t.Execute(&body, data); err != nil {
		return fmt.Errorf("filling in the page: %w", err)
	}
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	policy := fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; "+
		"base-uri 'none'; form-action 'none'",
		hash(pageStyle), hash(pageScript))
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
`, policy, template.HTMLEscapeString(terminal(title)), pageStyle)
	for line := range strings.Lines(body.String()) {
		b.WriteString(terminal(strings.TrimSuffix(line, "\n")) + "\n")
	}
	fmt.Fprintf(b, "<script>%s</script>\n</body>\n</html>\n", pageScript)
	return nil
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
	metrics.Skipped: "–",
}
