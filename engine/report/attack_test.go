package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/text"
)

// payloads attack the formats: terminals, HTML, Markdown, spreadsheets, XML and GitHub's runner.
var payloads = []string{
	"\x1b]0;owned\x07\x1b[2J", "\u202egnp.exe", "\x00\x01\ufffe", "\u2028::error::forged",
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</style><script>alert(2)</script>",
	"javascript:alert(3)", "{{.Title}}", "</svg><a href=//evil.example>x</a>",
	"](http://evil.example) @octocat #1 | <details>", "```\n# heading", "=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1+cmd",
	"]]></failure><testcase name='forged'/>", "&xxe;", "::error::forged", "::stop-commands::x", "##[add-mask]secret",
	"a\n::set-output name=x::y", "%0A::error::forged", "a,file=/etc/passwd::x",
}

// junitCases is how many test cases the attacked run has: four assertions, one failed budget, one
// cell that ended early, one that was skipped and one that did not run.
const junitCases = 8

// attacked puts a payload into every text of a run that comes from outside.
func attacked(p string) *metrics.Run {
	s := start(p, event.Conversation{ID: p, Title: p, Steps: []event.Step{{ID: p, Action: p, Turns: 1}}})
	head := s.events[0].Body.(event.RunStarted)
	head.ID, head.Homellm, head.Options = p, p, []string{p}
	head.Scenario.File, head.Scenario.Description, head.Scenario.SHA256 = p, p, p
	head.Host = map[string]any{p: p}
	s.events[0].Body = head
	s.add("", event.Note{Code: "x", Text: p})
	s.add("c1", event.CellPlanned{Labels: []event.Label{{Name: "server", Value: p}, {Name: p, Value: p}}, Turns: 2})
	s.add("c2", event.CellPlanned{Labels: labels2(p, "b"), Skip: p})
	s.add("c3", event.CellPlanned{Labels: labels2(p, "c")})
	s.add("c1", event.CellStarted{Attempt: 1, Server: event.Server{
		Profile: p, Engine: p, Version: p, URL: p, Model: p, Simulated: true, Simulation: p, Capabilities: []string{p},
	}})
	for n := 1; n <= 2; n++ {
		s.turn("c1", n, false, turn{p, p, p, p, 1, 20, 100, 0, 0, 5, p}, func(q *event.Request) {
			q.Finish, q.CacheSource = p, p
		})
		s.turn("c1", n, false, turn{"main", p, "ask", "before", 2, 20, 100, 0, 0, 5, p}, func(q *event.Request) {
			q.Err = &event.Error{Class: p, Message: p, Body: p}
		})
	}
	s.add("c1", event.Note{Code: p, Text: p})
	for i, verdict := range []event.Outcome{"pass", "fail", "unknown", "skipped"} {
		v := event.Verdict{
			Name: fmt.Sprint(p, i), That: p, Scope: "step", Conversation: p, Step: p,
			Severity: "fail", Verdict: verdict, Why: p, Message: p,
			Evaluated: 1, MinPassRate: 1, File: p, Line: 3, Column: 4, Excerpt: p, TextSeen: p,
			Operands: []event.Operand{
				{Path: p, Value: p, Source: p, Why: p}, {Path: "turn.ttft_ms", Value: 1.0, Unit: "ms", Source: p},
			},
		}
		s.add("c1", v)
	}
	s.add("c1", event.CellDone{Err: p})
	s.add("c3", event.CellFailed{Err: p, Hint: p})
	s.add("", event.RunDone{Aborted: p})
	r := &metrics.Run{}
	for _, e := range s.events {
		r.Add(e)
	}
	return r
}

var (
	command = regexp.MustCompile(`(?m)^\s*::[A-Za-z-]+[^:\n]*::|##\[`)
	tag     = regexp.MustCompile(`<[^!>][^>]*>`)
	handler = regexp.MustCompile(`(?i)\son[a-z]+\s*=|javascript:|src\s*=|href="?//`)

	annotationLine = regexp.MustCompile(`^::(error|warning|notice) [^:\n]*::[^\n]*\n$`)
	quoted         = regexp.MustCompile(`"[^"]*"`)
	codeBlock      = regexp.MustCompile("(?s)(`{3,})text\n.*?\n`{3,}\n")
	codeSpan       = regexp.MustCompile("``.+?``|`[^`\n]*`")
)

func TestFormats_SurviveHostileText(t *testing.T) {
	for i, p := range payloads {
		r := attacked(p)
		for _, f := range Formats {
			out := render(t, f, r, Options{})
			where := fmt.Sprintf("payload %d in %s", i, f.Name)
			if f.Name != "json" && strings.ContainsFunc(strings.NewReplacer("\n", "", joiner, "").Replace(out), text.Acts) {
				t.Errorf("%s: a character that acts reached the output", where)
			}
			switch f.Name {
			case "table", "markdown":
				if m := command.FindString(out); m != "" {
					t.Errorf("%s: GitHub's runner would obey %q", where, m)
				}
				if f.Name == "markdown" {
					hostileMarkdown(t, where, out)
				}
			case "csv", "summary":
				hostileCSV(t, where, out)
			case "github":
				for l := range strings.Lines(out) {
					if !annotationLine.MatchString(l) {
						t.Errorf("%s: %q", where, l)
					}
				}
			case "junit":
				wellFormed(t, out)
				if n := strings.Count(out, "<testcase "); n != junitCases {
					t.Errorf("%s: %d test cases, want %d", where, n, junitCases)
				}
			case "html":
				hostileHTML(t, where, out)
			}
		}
		var b bytes.Buffer
		if err := CompareHTML(&b, r, attacked(payloads[(i+1)%len(payloads)]), View{}); err != nil {
			t.Fatal(err)
		}
		hostileHTML(t, fmt.Sprintf("payload %d in the comparison", i), b.String())
		b.Reset()
		if err := Difference(&b, r, r, Options{}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(strings.ReplaceAll(b.String(), "\n", ""), text.Acts) || command.MatchString(b.String()) {
			t.Errorf("payload %d in the difference: %q", i, b.String())
		}
	}
}

func hostileCSV(t *testing.T, where, out string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+@", rune(cell[0])) || strings.HasPrefix(cell, "-1+") {
				t.Errorf("%s: a spreadsheet would run %q", where, cell)
			}
		}
	}
}

// hostileMarkdown looks at what stands outside code: no tag but ours, no mention, no link.
func hostileMarkdown(t *testing.T, where, out string) {
	t.Helper()
	prose := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(out, ""), "")
	for _, m := range tag.FindAllString(prose, -1) {
		if m != "<details>" && m != "</details>" && m != "<summary>" && m != "</summary>" {
			t.Errorf("%s: the tag %s", where, m)
		}
	}
	for _, bad := range []string{"@octocat", "](http://", "\n# "} {
		if strings.Contains(prose, bad) {
			t.Errorf("%s: %q in %s", where, bad, prose)
		}
	}
}

func hostileHTML(t *testing.T, where, out string) {
	t.Helper()
	head, body, _ := strings.Cut(out, "</head>")
	for _, m := range tag.FindAllString(strings.ReplaceAll(body, "<script>"+pageScript, ""), -1) {
		if bad := handler.FindString(quoted.ReplaceAllString(m, `""`)); bad != "" {
			t.Errorf("%s: %q in %s", where, bad, m)
		}
		for _, name := range []string{"<script", "<img", "<iframe", "<object", "<link", "<base", "<style"} {
			if strings.HasPrefix(strings.ToLower(m), name) {
				t.Errorf("%s: the page holds %s", where, m)
			}
		}
	}
	if n := strings.Count(strings.ToLower(body), "<script"); n != 1 {
		t.Errorf("%s: %d scripts", where, n)
	}
	if !strings.Contains(head, "default-src 'none'") {
		t.Errorf("%s: no policy", where)
	}
	if i := strings.Index(out, "http-equiv"); i > 400 {
		t.Errorf("%s: the policy comes after what it protects", where)
	}
}

// The text of a model is never in an attribute of JUnit: readers show attributes as names.
func TestJUnit_ModelTextStaysOutOfAttributes(t *testing.T) {
	s := start("chat", event.Conversation{ID: "main"})
	s.add("c1", event.CellPlanned{Labels: labels2("sim", "m"), Turns: 1})
	s.add("c1", event.CellStarted{Attempt: 1, Server: event.Server{Profile: "sim"}})
	s.turn("c1", 1, false, turn{"main", "a", "ask", "before", 1, 20, 100, 0, 0, 5, "MODELTEXT"})
	s.turn("c1", 1, false, turn{"main", "a", "ask", "before", 2, 20, 100, 0, 0, 5, ""}, func(q *event.Request) {
		q.Err = &event.Error{Class: "server_error", Message: "MODELTEXT"}
	})
	for _, verdict := range []event.Outcome{"fail", "unknown", "skipped"} {
		s.add("c1", event.Verdict{Name: string(verdict), That: `turn.text == "x"`, Severity: "fail", Verdict: verdict,
			Why: "the reply MODELTEXT is no JSON", TextSeen: "MODELTEXT",
			Operands: []event.Operand{{Path: "turn.text", Value: "MODELTEXT"}}})
	}
	s.add("c1", event.CellDone{Err: "the server said MODELTEXT"})
	s.now += time.Second
	s.add("", event.RunDone{})
	r := &metrics.Run{}
	for _, e := range s.events {
		r.Add(e)
	}
	out := render(t, format(t, "junit"), r, Options{})
	if !strings.Contains(out, "MODELTEXT") {
		t.Error("the evidence is missing")
	}
	for _, m := range regexp.MustCompile(`"[^"]*"`).FindAllString(out, -1) {
		if strings.Contains(m, "MODELTEXT") {
			t.Errorf("in an attribute: %s", m)
		}
	}
}

// wellFormed fails the test if the text is not XML.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
}
