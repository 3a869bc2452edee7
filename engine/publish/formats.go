package publish

import (
	"fmt"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/report"
)

// ComparisonNames are the formats of comparisons.
func ComparisonNames() []string {
	var out []string
	for _, f := range report.CompareFormats {
		out = append(out, f.Name)
	}
	return out
}

func comparisonNamed(name string) (report.CompareFormat, error) {
	for _, f := range report.CompareFormats {
		if f.Name == name {
			return f, nil
		}
	}
	return report.CompareFormat{}, exit.Errorf(exit.Usage, "formats: "+strings.Join(ComparisonNames(), ", "),
		"unknown format %q", name)
}

// Names are the formats of runs.
func Names() []string {
	var out []string
	for _, f := range report.Formats {
		out = append(out, f.Name)
	}
	return out
}

// Named finds a format of runs.
func Named(name string) (report.Format, error) {
	for _, f := range report.Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return report.Format{}, exit.Errorf(exit.Usage, fmt.Sprintf("formats: %s", strings.Join(Names(), ", ")),
		"unknown format %q", name)
}
