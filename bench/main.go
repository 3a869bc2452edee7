// Bench measures the client: against the truth of a golden server, and beside two other ways to
// read the same streams.
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
	serve := flag.Bool("serve", false, "be the golden server: print its address and serve until standard input ends (bench starts it so itself)")
	flag.DurationVar(&pace.First, "first", 0, "with -serve: time to the first token")
	flag.DurationVar(&pace.Gap, "gap", 0, "with -serve: time between tokens")
	flag.IntVar(&pace.Tokens, "tokens", 0, "with -serve: tokens in a reply")
	conform := flag.Bool("conformance", false, "hold every stream shape against the truth")
	file := flag.String("o", "", "write to this file, not to standard output")
	quick := flag.Bool("quick", false, "a tenth of the requests, to see that it works")
	only := flag.String("load", "", "play this load alone, and hold nothing against the bounds")
	flag.Parse()
	if *serve {
		return serveGolden(ctx, out, pace)
	}
	if *file != "" {
		f, err := os.Create(*file)
		if err != nil {
			return fmt.Errorf("writing the table: %w", err)
		}
		err = report(ctx, f, *conform, *quick, *only)
		if closed := f.Close(); err == nil {
			err = closed
		}
		return err
	}
	return report(ctx, out, *conform, *quick, *only)
}

func report(ctx context.Context, out io.Writer, conform, quick bool, only string) error {
	if conform {
		return conformanceReport(ctx, out)
	}
	return speedReport(ctx, out, quick, only)
}

// today is the date of a table, for its readers.
func today() string { return time.Now().Format(time.DateOnly) }
