package exit

import "testing"

func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		codes []int
		want  int
	}{
		{nil, 0}, {[]int{0}, 0}, {[]int{0, 4}, 4}, {[]int{4, 1}, 1}, {[]int{1, 6}, 6}, {[]int{6, 5}, 5}, {[]int{5, 2}, 2},
		{[]int{2, 3}, 3}, {[]int{3, 143}, 143}, {[]int{143, 130}, 130}, {[]int{130, 70}, 70}, {[]int{0, 99}, 70},
	} {
		if got := Worst(tt.codes...); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.codes, got, tt.want)
		}
	}
}
