package event

import "strings"

// Title is the name of the assertion, and what it was judged for if that is one of several combinations.
func (v Verdict) Title() string {
	if at := v.Coordinates(); at != "" {
		return v.Name + " (" + at + ")"
	}
	return v.Name
}

// Coordinates are the values of axes that it was judged for: size=64, into=turn. They are empty if there is one
// combination only.
func (v Verdict) Coordinates() string {
	var of []string
	for _, l := range v.Labels {
		of = append(of, l.Name+"="+strings.Join(strings.Fields(l.Value), " "))
	}
	return strings.Join(of, ", ")
}

// Interval is the difference between the sides of a comparison, left minus right, and where it lies with a confidence.
type Interval struct {
	Confidence float64 `json:"confidence"` // from 0 to 1
	By         float64 `json:"by"`         // best estimate
	Within     Range   `json:"within"`
	Unit       string  `json:"unit,omitempty"`
	Repeats    int     `json:"repeats"`         // of each cell
	Paired     bool    `json:"paired"`          // repeat by repeat
	Items      bool    `json:"items,omitempty"` // pass rates are compared: for repeats read items of the data set
}
