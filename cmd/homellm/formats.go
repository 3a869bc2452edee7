package main

import (
	"fmt"
	"strings"

	"homellm/engine/exit"
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
	return report.CompareFormat{}, exit.Errorf(exit.Usage, "formats: "+strings.Join(compareFormatNames(), ", "),
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
	return report.Format{}, exit.Errorf(exit.Usage, fmt.Sprintf("formats: %s", strings.Join(formatNames(), ", ")),
		"unknown format %q", name)
}
