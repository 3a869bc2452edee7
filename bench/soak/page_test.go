package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

// What grows from run to run is found, and a long pause: the program would otherwise look as if it had played.
func TestGrowthIsFound(t *testing.T) {
	for want, plant := range map[string]func(i int, v *sample, s *soaked){
		"":                             func(int, *sample, *soaked) {},
		"goroutines: 19 more":          func(i int, v *sample, _ *soaked) { v.goroutines += i },
		"open files: 19 more":          func(i int, v *sample, _ *soaked) { v.files += i },
		"bytes of heap: 19000000 more": func(i int, v *sample, _ *soaked) { v.heap += uint64(i) * 1e6 },
		"milliseconds without a reply": func(_ int, _ *sample, s *soaked) { s.pause = time.Minute },
		"the faults did not come":      func(_ int, _ *sample, s *soaked) { s.failed = 0 },
		"bytes of the fold per turn":   func(_ int, _ *sample, s *soaked) { s.peak = 100e6 },
	} {
		s := &soaked{start: sample{goroutines: 4}, took: time.Hour, failed: 3, peak: 6e6}
		for i := range 22 {
			v := sample{goroutines: 4, files: 13, heap: 5e6, turns: i * s.load.turns()}
			plant(i, &v, s)
			s.samples = append(s.samples, v)
		}
		switch err := s.page(io.Discard); {
		case want == "" && err != nil:
			t.Errorf("nothing grew: %v", err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%v, want %q", err, want)
		}
	}
}
