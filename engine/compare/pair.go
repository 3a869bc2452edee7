package compare

import "strings"

// Pair is the comparison of one cell.
type Pair struct {
	Cell       string     `json:"cell"`
	Old        string     `json:"old"`
	New        string     `json:"new"`
	Mismatches []Mismatch `json:"mismatches"`
	// other differences between the sides, as far as both are known
	Differences []Mismatch `json:"differences"`
	OnMismatch  string     `json:"on_mismatch"`
	Stale       string     `json:"stale,omitempty"` // why the old side is too old
	Missing     string     `json:"missing,omitempty"`
	Required    bool       `json:"required"` // a missing old side makes the comparison inconclusive
	Warnings    []string   `json:"warnings"`
	Deltas      []Delta    `json:"deltas"`
	Sides       [2]Source  `json:"-"` // old and new, for reports with more than the outcome

	moving string // why a change of times between separate runs may come from the machine; "": it does not
}

// sideNames are the names of the sides in texts.
var sideNames = [2]string{"old", "new"}

// Comparison is the comparison of all cells of two sides.
type Comparison struct {
	Pairs []Pair `json:"pairs"`
}

// Comparable says whether both sides were measured in the same circumstances.
func (p Pair) Comparable() bool { return len(p.Mismatches) == 0 && p.Stale == "" }

func (p Pair) difference() string {
	out := Texts(p.Mismatches)
	if p.Stale != "" {
		out = append(out, p.Stale)
	}
	return strings.Join(out, "; ")
}
