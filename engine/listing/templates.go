package listing

import (
	"fmt"
	"io"
	"strings"

	"homellm/engine/rendering"
)

// TemplateCheck says whether templates render as they should.
type TemplateCheck struct {
	Schema    string     `json:"schema"`
	Templates []Template `json:"templates,omitempty"` // compared with their goldens
	Served    *Served    `json:"served,omitempty"`    // compared with a server's rendering
}

// Template is the template of a model compared with its goldens.
type Template struct {
	Model    string   `json:"model"`
	Template string   `json:"template"`
	Verdict  string   `json:"verdict"` // same, different, broken, or compiles: it has no goldens
	Goldens  int      `json:"goldens"`
	Wrong    []string `json:"wrong"`
	Detail   string   `json:"detail,omitempty"`
}

// Served is a template compared with a server's rendering.
type Served struct {
	Server        string     `json:"server"`
	URL           string     `json:"url"`
	Model         string     `json:"model"`
	Template      string     `json:"template"`
	Conversations []Rendered `json:"conversations"`
}

// Rendered is a conversation rendered by both.
type Rendered struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // same, different or unknown
	Detail  string `json:"detail"`
}

// OfTemplates begins a check of templates.
func OfTemplates() TemplateCheck {
	return TemplateCheck{Schema: schemaOf("template-check"), Templates: []Template{}}
}

// OfServed begins a check of a server.
func OfServed(s *rendering.Served) TemplateCheck {
	return TemplateCheck{Schema: schemaOf("template-check"), Served: &Served{Server: s.Found.Label(), URL: s.Found.URL,
		Model: s.Name, Template: s.Template.Name(), Conversations: []Rendered{}}}
}

// Add adds a template.
func (d *TemplateCheck) Add(model, template string, t rendering.Trial) {
	one := Template{Model: model, Template: template, Verdict: "same", Goldens: t.Goldens,
		Wrong: append([]string{}, t.Wrong...)}
	switch {
	case len(t.Wrong) > 0:
		one.Verdict = "different"
	case t.Broken != nil:
		one.Verdict, one.Detail = "broken", t.Broken.Error()
	case t.Goldens == 0:
		one.Verdict, one.Detail = "compiles", t.Stability.String()
	}
	d.Templates = append(d.Templates, one)
}

// WriteText implements [Document].
func (d TemplateCheck) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, t := range d.Templates {
		fmt.Fprintf(&b, "%-28s %-20s ", t.Model, t.Template)
		switch t.Verdict {
		case "different":
			fmt.Fprintf(&b, "%d of %d goldens differ\n", len(t.Wrong), t.Goldens)
			for _, wrong := range t.Wrong {
				fmt.Fprintf(&b, "  %s\n", wrong)
			}
		case "broken":
			fmt.Fprintf(&b, "cannot render a plain conversation: %s\n", t.Detail)
		case "compiles":
			fmt.Fprintf(&b, "compiles; it has no goldens; %s\n", t.Detail)
		default:
			fmt.Fprintf(&b, "equals %d goldens\n", t.Goldens)
		}
	}
	if s := d.Served; s != nil {
		fmt.Fprintf(&b, "%s at %s serves %s; template %s\n", s.Server, s.URL, s.Model, s.Template)
		for _, c := range s.Conversations {
			verdict := c.Verdict
			if verdict != "same" {
				verdict = strings.ToUpper(verdict)
			}
			fmt.Fprintf(&b, "  %-9s  %-32s %s\n", verdict, c.Name, c.Detail)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
