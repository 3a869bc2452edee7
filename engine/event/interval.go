package event

import (
	"encoding/json"
	"math"
)

// Range is an interval that contains a number, both ends included. High is +Inf and Low -Inf if it has no bound
// there.
type Range struct {
	Low  float64
	High float64
}

// bounds is the JSON form of a Range, because JSON has no infinity.
type bounds struct {
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
}

// MarshalJSON writes null for an end without a bound.
func (r Range) MarshalJSON() ([]byte, error) {
	var out bounds
	if !math.IsInf(r.Low, 0) {
		out.Low = &r.Low
	}
	if !math.IsInf(r.High, 0) {
		out.High = &r.High
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Range) UnmarshalJSON(data []byte) error {
	var in bounds
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*r = Range{math.Inf(-1), math.Inf(1)}
	if in.Low != nil {
		r.Low = *in.Low
	}
	if in.High != nil {
		r.High = *in.High
	}
	return nil
}
