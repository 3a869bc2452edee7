package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"homellm/engine/event"
	"homellm/engine/metrics"
	"homellm/engine/text"
)

// hostile are texts as a scenario or a model may write them. Each names what it tries.
var hostile = map[string]string{
	"screen":     "\x1b[2J\x1b[31mEVIL",
	"title":      "\x1b]0;EVIL\a",
	"link":       "\x1b]8;;http://evil.example\x1b\\EVIL",
	"c1":         "\u009b31mEVIL\u0090q\u009c",
	"bidi":       "\u202eEVIL\u2066x\u2069",
	"invisible":  "EV\u200bIL\ufeff",
	"lines":      "EVIL\r\n::error file=x::EVIL\n::set-output name=a::b",
	"cr":         "good\rEVIL",
	"separators": "EVIL\u2028::error::EVIL\u2029x",
	"script":     "<script>EVIL</script>",
	"image":      `<img src=x onerror="EVIL">`,
	"attribute":  `"><svg/onload=EVIL>' onmouseover='EVIL`,
	"close":      "</script></style></title></textarea>-->EVIL<!--",
	"entity":     "&lt;script&gt;EVIL&#60;script&#62;",
	"markdown":   "[EVIL](javascript:alert(1)) ![EVIL](http://evil.example/p.png)",
	"mention":    "@everyone #1 http://evil.example www.evil.example",
	"table":      "a | EVIL | b\n|---|---|",
	"fence":      "```\nEVIL\n```\n# EVIL",
	"formula":    "=HYPERLINK(\"http://evil.example\")EVIL",
	"plus":       "+cmd|' /C calc'!A0 EVIL",
	"minus":      "-2+3+EVIL",
	"at":         "@SUM(EVIL)",
	"tab":        "\t=EVIL",
	"xml":        "]]><failure>EVIL</failure><?xml version=\"1.0\"?>",
	"nul":        "EVIL\x00\x01\x08\x7f",
	"not utf8":   "EVIL\xff\xfe\xc0\xaf",
	"noncharact": "EVIL\uffff\ufffe",
	"percent":    "%0A::error::EVIL %s %n {{.}}",
	"long":       strings.Repeat("EVIL", 1500),
}

// poison puts a text into every string of a value that reports show, identifiers included: a
// journal is a file, and anyone may have written it.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "Verdict" || name == "Severity" || name == "OnUnknown" || name == "Scope" || name == "Started" {
				continue // read as words of ours
			}
			poison(v.Field(i), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(text)
		}
	case reflect.Interface:
		if _, ok := reflect.TypeAssert[string](v); ok {
			v.Set(reflect.ValueOf(text))
		}
	}
}

func poisoned(text string) *metrics.Run {
	fold := &metrics.Run{}
	for _, e := range failing().events {
		body := reflect.New(reflect.TypeOf(e.Body))
		body.Elem().Set(reflect.ValueOf(e.Body))
		if r, ok := reflect.TypeAssert[*event.Request](body); ok { // the keys by which requests are grouped stay
			r.Text, r.Reasoning, r.Finish = text, text, text
			if r.Err != nil {
				r.Err.Message, r.Err.Body = text, text
			}
		} else {
			poison(body, text)
		}
		e.Body = body.Elem().Interface().(event.Body)
		fold.Add(e)
	}
	fold.Add(event.Event{Body: event.Note{Code: text, Text: text}})
	return fold
}

// No output lets a text of a scenario or a model do anything but be read.
func TestHostileText(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			fold := poisoned(text)
			for _, f := range Formats {
				var b bytes.Buffer
				if err := f.Write(&b, fold, Options{Dir: text}); err != nil {
					t.Errorf("%s: %v", f.Name, err)
					continue
				}
				out := b.String()
				if name == "script" && !strings.Contains(out, "EVIL") {
					t.Errorf("%s: the text is not shown at all: the test sees nothing", f.Name)
				}
				harmless(t, f.Name, out)
			}
		})
	}
}

// ours are the lines that GitHub acts upon and that the github format writes itself.
var ours = regexp.MustCompile(`^::(error|warning|notice|group|endgroup)`)

// harmless checks what every output owes its reader, and what the reader of its format would
// act upon.
func harmless(t *testing.T, format, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("%s: not UTF-8", format)
	}
	for i, r := range out {
		if r != '\n' && r != '\r' && text.Acts(r) && string(r) != joiner {
			t.Errorf("%s: U+%04X at byte %d: %q", format, r, i, out[max(0, i-20):min(len(out), i+20)])
			return
		}
	}
	if format != "csv" && format != "summary" && strings.Contains(out, "\r") {
		t.Errorf("%s: a carriage return", format)
	}
	if check := harms[format]; check != nil {
		check(t, out)
	}
}

// harms are what the reader of a format would act upon.
var harms = map[string]func(t *testing.T, out string){
	"html": harmlessHTML, "markdown": harmlessMarkdown, "csv": harmlessCSV, "summary": harmlessCSV, "junit": harmlessJUnit,
	"json": harmlessJSON, "github": harmlessGitHub, "table": harmlessTable,
}

func harmlessHTML(t *testing.T, out string) {
	t.Helper()
	lower := strings.ToLower(out)
	for _, bad := range []string{"<script>evil", "<img src=x", "<svg/onload", `onerror="evil`, "<failure"} {
		if strings.Contains(lower, bad) {
			t.Errorf("html: %q is in the page", bad)
		}
	}
}

func harmlessMarkdown(t *testing.T, out string) {
	t.Helper()
	lower := strings.ToLower(out)
	for _, bad := range []string{"<script", "<img", "<svg", " @everyone", "\n# evil", "http://evil"} {
		if plain := withoutCode(lower); strings.Contains(plain, bad) {
			t.Errorf("markdown: %q is in the page", bad)
		}
	}
}

func harmlessCSV(t *testing.T, out string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Errorf("csv: %v", err)
	}
	for _, row := range rows {
		for _, cell := range row {
			trimmed := strings.TrimLeft(cell, " \t\r\n")
			if trimmed != "" && strings.ContainsRune("=+@", rune(trimmed[0])) || strings.HasPrefix(trimmed, "-2+") {
				t.Errorf("csv: the cell %.40q would be run as a formula", cell)
			}
		}
	}
}

func harmlessJUnit(t *testing.T, out string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(out))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("junit: %v", err)
			return
		}
	}
	if strings.Contains(out, "<failure>EVIL") {
		t.Error("junit: an element of the text's own")
	}
}

func harmlessJSON(t *testing.T, out string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Errorf("json: %v", err)
	}
}

func harmlessGitHub(t *testing.T, out string) {
	t.Helper()
	for line := range strings.SplitSeq(out, "\n") {
		if strings.HasPrefix(line, "::") && (!ours.MatchString(line) || strings.HasPrefix(line, "::error file=x::EVIL")) {
			t.Errorf("github: a command of the text's own: %.60q", line)
		}
	}
}

func harmlessTable(t *testing.T, out string) {
	t.Helper()
	for line := range strings.SplitSeq(out, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("table: a workflow command: %.60q", line)
		}
	}
}

// withoutCode removes code spans and blocks of Markdown, in which nothing acts.
func withoutCode(s string) string {
	s = regexp.MustCompile("(?s)````*text\n.*?````*\n").ReplaceAllString(s, "")
	return regexp.MustCompile("`+[^`]*`+").ReplaceAllString(s, "")
}
