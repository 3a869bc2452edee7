// Bench measures the client: against the truth of a golden server, and beside two other ways to read the same
// streams.
//
//	go run ./bench                                    the speed table, on standard output
//	go run ./bench -load "128 streams"                one part of it
//	go run ./bench -conformance -o docs/conformance.md  every stream shape against the truth
//
// It exits with 1 if a figure misses its bound.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"homellm/engine/client/goldentest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout) //nolint:forbidigo // a command's own process
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err) //nolint:forbidigo // a command's own process
		os.Exit(1)                             //nolint:forbidigo // a command's own process
	}
}

func run(ctx context.Context, out io.Writer) error {
	var pace goldentest.Pace
	serve := flag.Bool("serve", false, "be the golden server: print its address and serve until standard input ends "+
		"(bench starts it so itself)")
	flag.DurationVar(&pace.First, "first", 0, "with -serve: time to the first token")
	flag.DurationVar(&pace.Gap, "gap", 0, "with -serve: time between tokens")
	flag.IntVar(&pace.Tokens, "tokens", 0, "with -serve: tokens in a reply")
	var what contents
	flag.BoolVar(&what.conformance, "conformance", false, "hold every stream shape against the truth")
	file := flag.String("o", "", "write to this file, not to standard output")
	flag.BoolVar(&what.quick, "quick", false, "a tenth of the requests, to see that it works")
	flag.StringVar(&what.load, "load", "", "play this load alone, and hold nothing against the bounds")
	flag.Parse()
	if *serve {
		return serveGolden(ctx, out, pace)
	}
	if *file != "" {
		f, err := os.Create(*file)
		if err != nil {
			return fmt.Errorf("writing the table: %w", err)
		}
		err = report(ctx, f, what)
		if closed := f.Close(); err == nil {
			err = closed
		}
		return err
	}
	return report(ctx, out, what)
}

// contents says what a report is about.
type contents struct {
	conformance bool   // every stream shape against the truth; else speed
	quick       bool   // a tenth of the requests
	load        string // this load alone; empty: all
}

func report(ctx context.Context, out io.Writer, what contents) error {
	if what.conformance {
		return conformanceReport(ctx, out)
	}
	return speedReport(ctx, out, what.quick, what.load)
}

// today is the date of a table, for its readers.
func today() string { return time.Now().Format(time.DateOnly) }
