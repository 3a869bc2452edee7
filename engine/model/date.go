package model

import (
	"strings"
	"time"
)

// Date is the date that a template prints.
type Date struct {
	Format string `yaml:"format"` // format of date_string, as for strftime, if a request sets a date; empty: it is not set
	Fixed  string `yaml:"fixed"`  // printed unless a request sets a date; empty: today
}

// show is the date that a template prints for a request of that time.
func (d Date) show(now time.Time, format string) string {
	switch {
	case !now.IsZero():
		return strftime(now, format)
	case d.Fixed != "":
		return d.Fixed
	}
	return strftime(time.Now(), format)
}

// strftime formats the directives that chat templates use; any other is kept as it is.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		layout, known := directives[format[i]]
		switch {
		case known:
			b.WriteString(t.Format(layout))
		case format[i] == '%':
			b.WriteByte('%')
		default:
			b.WriteString(format[i-1 : i+1])
		}
	}
	return b.String()
}

var directives = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'H': "15", 'I': "03",
	'j': "002", 'm': "01", 'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'Z': "MST", 'z': "-0700",
	'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04",
}

// probeTime is the moment the goldens were rendered for.
var probeTime = time.Date(2026, 3, 9, 14, 5, 6, 0, time.UTC)
