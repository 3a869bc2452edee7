package main

import (
	"fmt"
	"strings"

	"homellm/engine/report"
)

func compareFormatNames() []string {
	var out []string
	for _, f := range report.CompareFormats {
		out = append(out, f.Name)
	}
	return out
}

func compareFormatNamed(name string) (report.CompareFormat, error) {
	for _, f := range report.CompareFormats {
		if f.Name == name {
			return f, nil
		}
	}
	return report.CompareFormat{}, failf(exitUsage, "formats: "+strings.Join(compareFormatNames(), ", "),
		"unknown format %q", name)
}

func formatNames() []string {
	var out []string
	for _, f := range report.Formats {
		out = append(out, f.Name)
	}
	return out
}

func formatNamed(name string) (report.Format, error) {
	for _, f := range report.Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return report.Format{}, failf(exitUsage, fmt.Sprintf("formats: %s", strings.Join(formatNames(), ", ")),
		"unknown format %q", name)
}
