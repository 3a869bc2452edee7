package chart

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// svg writes one chart as SVG. Colours are classes of the page's style sheet, so that a chart adapts to dark mode and
// print. There is no style attribute, because the page's content security policy would reject it.
type svg struct {
	b     strings.Builder
	width float64
}

// newSVG begins a chart with a title and description for screen readers.
func newSVG(id string, width, height float64, title, desc string) *svg {
	s := &svg{width: width}
	fmt.Fprintf(&s.b, `<svg viewBox="0 0 %s %s" role="img" aria-labelledby="%s-t %s-d" `+
		`preserveAspectRatio="xMidYMid meet">`, px(width), px(height), id, id)
	fmt.Fprintf(&s.b, `<title id="%s-t">%s</title><desc id="%s-d">%s</desc>`, id, template.HTMLEscapeString(title), id,
		template.HTMLEscapeString(desc))
	return s
}

// px prints a coordinate to a tenth of a unit.
func px(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func (s *svg) rect(class string, x, y, w, h float64, tip string) {
	if tip == "" {
		fmt.Fprintf(&s.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`, class, px(x), px(y), px(max(w, 0)),
			px(max(h, 0)))
		return
	}
	fmt.Fprintf(&s.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`,
		class, px(x), px(y), px(max(w, 0)), px(max(h, 0)), template.HTMLEscapeString(tip))
}

func (s *svg) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&s.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, px(x1), px(y1), px(x2), px(y2))
}

func (s *svg) text(class string, x, y float64, text string) {
	fmt.Fprintf(&s.b, `<text class="%s" x="%s" y="%s">%s</text>`, class, px(x), px(y), template.HTMLEscapeString(text))
}

// slanted writes a text that rises to the right and ends at a point.
func (s *svg) slanted(class string, x, y float64, text string) {
	fmt.Fprintf(&s.b, `<text class="%s y" transform="rotate(-50 %s %s)" x="%s" y="%s">%s</text>`, class, px(x), px(y), px(x),
		px(y), template.HTMLEscapeString(text))
}

// tipped is a text with a tooltip.
func (s *svg) tipped(class string, x, y float64, text, tip string) {
	fmt.Fprintf(&s.b, `<text class="%s" x="%s" y="%s">%s<title>%s</title></text>`, class, px(x), px(y),
		template.HTMLEscapeString(text), template.HTMLEscapeString(tip))
}

func (s *svg) dot(class string, x, y, r float64, tip string) {
	if tip == "" {
		fmt.Fprintf(&s.b, `<circle class="%s" cx="%s" cy="%s" r="%s"/>`, class, px(x), px(y), px(r))
		return
	}
	fmt.Fprintf(&s.b, `<circle class="%s" cx="%s" cy="%s" r="%s"><title>%s</title></circle>`, class, px(x), px(y), px(r),
		template.HTMLEscapeString(tip))
}

// arrow is the head of a line that continues to the left (-1) or to the right (1).
func (s *svg) arrow(x, y, to float64) {
	fmt.Fprintf(&s.b, `<path class="arrow" d="M%s %sl%s 4v-8Z"/>`, px(x+7*to), px(y), px(-7*to))
}

// point is one point of a curve. A gap ends the line before it: what was not measured is neither drawn nor
// interpolated.
type point struct {
	x, y float64
	gap  bool
}

// curve draws lines between points. A single point is drawn as a short dash, to be visible.
func (s *svg) curve(class string, points []point) {
	var d strings.Builder
	pen := false
	for i, p := range points {
		if p.gap {
			pen = false
			continue
		}
		alone := !pen && (i+1 == len(points) || points[i+1].gap)
		switch {
		case alone:
			fmt.Fprintf(&d, "M%s %sh4", px(p.x-2), px(p.y))
		case !pen:
			fmt.Fprintf(&d, "M%s %s", px(p.x), px(p.y))
		default:
			fmt.Fprintf(&d, "L%s %s", px(p.x), px(p.y))
		}
		pen = true
	}
	if d.Len() > 0 {
		fmt.Fprintf(&s.b, `<path class="%s" d="%s"/>`, class, d.String())
	}
}

// band fills the area between two curves of the same length, between gaps.
func (s *svg) band(class string, low, high []point) {
	for i := 0; i < len(low); {
		if low[i].gap || high[i].gap {
			i++
			continue
		}
		end := i
		for end < len(low) && !low[end].gap && !high[end].gap {
			end++
		}
		if end-i > 1 {
			var d strings.Builder
			fmt.Fprintf(&d, "M%s %s", px(high[i].x), px(high[i].y))
			for k := i + 1; k < end; k++ {
				fmt.Fprintf(&d, "L%s %s", px(high[k].x), px(high[k].y))
			}
			for k := end - 1; k >= i; k-- {
				fmt.Fprintf(&d, "L%s %s", px(low[k].x), px(low[k].y))
			}
			fmt.Fprintf(&s.b, `<path class="%s" d="%sZ"/>`, class, d.String())
		}
		i = end
	}
}

// group opens a group with a class and data attributes (name, value, name, value …) for the
// page's filters; end closes it.
func (s *svg) group(class string, data ...string) {
	fmt.Fprintf(&s.b, `<g class="%s"`, class)
	for i := 0; i+1 < len(data); i += 2 {
		fmt.Fprintf(&s.b, ` data-%s="%s"`, data[i], template.HTMLEscapeString(data[i+1]))
	}
	s.b.WriteByte('>')
}

func (s *svg) end() { s.b.WriteString("</g>") }

func (s *svg) done() template.HTML {
	return template.HTML(s.b.String() + "</svg>") // every text above is escaped
}
