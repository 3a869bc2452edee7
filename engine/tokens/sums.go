package tokens

import "sort"

// Sums keeps the running sum at the end of each part of the last long text, so that a text with the same beginning is
// summed from where it differs. Short texts, such as the reply between two prompts, are not kept. It must be used by
// one goroutine at a time. The zero value is empty.
type Sums[S any] struct {
	text  string
	marks []mark[S]
}

type mark[S any] struct {
	end int
	sum S
}

// Over sums the parts of a text. Next finds the length of the first part of a text and what it adds to the sum. It
// reads at most ahead bytes beyond a part's end.
func (s *Sums[S]) Over(text string, ahead int, next func(rest string, sum S) (int, S, error)) (sum S, err error) {
	if len(text) < longText {
		s = new(Sums[S])
	}
	common := commonBytes(text, s.text)
	fits := func(end int) bool { return end+ahead <= common || end == common && common == len(text) }
	known := len(s.marks)
	for known > 0 && !fits(s.marks[known-1].end) {
		known--
	}
	at := 0
	if known > 0 {
		at, sum = s.marks[known-1].end, s.marks[known-1].sum
	}
	longer := len(text) > common || len(text) == len(s.text)
	if longer {
		s.text, s.marks = text, s.marks[:known]
	}
	for at < len(text) {
		n, more, err := next(text[at:], sum)
		if err != nil {
			*s = Sums[S]{}
			return sum, err
		}
		at, sum = at+n, more
		if longer {
			s.marks = append(s.marks, mark[S]{at, sum})
		}
	}
	return sum, nil
}

// commonBytes is the length of the common prefix of two texts in bytes.
func commonBytes(a, b string) int {
	n := min(len(a), len(b))
	if a[:n] == b[:n] {
		return n
	}
	return sort.Search(n, func(i int) bool { return a[:i+1] != b[:i+1] })
}
