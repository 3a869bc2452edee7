package chart

import "homellm/engine/report/readable"

// stepName is the name of a step below its turns.
type stepName struct {
	at   float64 // the middle of its turns
	wide float64 // their width
	text string
}

// steps are the names of the steps below a chart over turns.
type steps struct {
	names  []stepName
	slant  bool
	longer int // characters of the longest name
}

// Sizes of the names, in units of the view box.
const (
	letter      = 5.8  // width of a character
	slantedStep = 11.0 // least distance between slanted names
	longestName = 16   // characters
)

// stepNames names the step of neighbouring turns once: below its turns if every name fits there, else slanted. If there
// are more steps than there is room for names, some names are left out.
func stepNames(slots []slot, x axis) steps {
	var out steps
	for i := 0; i < len(slots); {
		end := i
		for end < len(slots) && slots[end].step == slots[i].step && slots[end].conversation == slots[i].conversation {
			end++
		}
		from, to := x.at(float64(i)), x.at(float64(end))
		name := stepName{(from + to) / 2, to - from, readable.Shorten(slots[i].step, longestName)}
		n := len([]rune(name.text))
		out.longer = max(out.longer, n)
		out.slant = out.slant || letter*float64(n)+4 > name.wide
		out.names = append(out.names, name)
		i = end
	}
	if out.slant {
		kept, last := out.names[:0], -slantedStep
		for _, n := range out.names {
			if n.at-last >= slantedStep {
				kept, last = append(kept, n), n.at
			}
		}
		out.names = kept
	}
	return out
}

// height returns the height that the names need below the numbers of the turns.
func (n steps) height() float64 {
	if n.slant {
		return letter*float64(n.longer)*0.77 + 2 // the sine of the slant
	}
	return 4
}

func (n steps) draw(s *svg) {
	for _, name := range n.names {
		if n.slant {
			s.slanted("step", name.at+4, chartHeight-chartBottom+24, name.text)
		} else {
			s.text("tick x step", name.at, chartHeight-chartBottom+29, name.text)
		}
	}
}
