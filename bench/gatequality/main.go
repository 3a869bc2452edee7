// Gatequality measures how well gates judge: it compares simulated servers whose true difference
// is known, under noise of known size, and counts false alarms and missed regressions. Beside
// homellm's gates it tries two simpler judges on the same data.
//
//	go run ./bench/gatequality                       the page, on standard output
//	go run ./bench/gatequality -o docs/gate-quality.md
//
// It exits with 1 if a promised figure is missed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
)

// usualTrials are those of the committed page.
const usualTrials = 10_000

func main() {
	file := flag.String("o", "", "write to this file, not to standard output")
	trials := flag.Int("trials", usualTrials, "comparisons for each figure")
	only := flag.Bool("histories", false, "write the histories in which changes are looked for, and nothing else")
	flag.Parse()
	if *only {
		if err := writeHistories(os.Stdout, *trials); err != nil { //nolint:forbidigo // a command's own process
			fmt.Fprintln(os.Stderr, "gatequality:", err) //nolint:forbidigo // a command's own process
			os.Exit(1)                                   //nolint:forbidigo // a command's own process
		}
		return
	}
	if err := run(*file, *trials); err != nil {
		fmt.Fprintln(os.Stderr, "gatequality:", err) //nolint:forbidigo // a command's own process
		os.Exit(1)                                   //nolint:forbidigo // a command's own process
	}
}

func run(file string, trials int) error {
	var b bytes.Buffer
	missed := page(&b, trials)
	var err error
	if file == "" {
		_, err = os.Stdout.Write(b.Bytes()) //nolint:forbidigo // a command's own process
	} else {
		err = os.WriteFile(file, b.Bytes(), 0o644)
	}
	return errors.Join(append(missed, err)...)
}
