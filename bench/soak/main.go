// Soak plays run after run without a pause, over real sockets, and watches what it costs to keep going: goroutines,
// file descriptors and memory. The simulator is a separate process and resets one connection in a hundred, so that the
// path of failed requests is exercised too.
//
//	go run ./bench/soak -for 10m -o docs/soak.md
//	go run ./bench/soak -for 20s                    a quick look, on standard output
//	go run ./bench/soak -users 64 -for 3m           users who play at the same time
//
// It exits with 1 if something grew that should not have.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"homellm/engine/crash"
	"homellm/engine/sim"
)

// speed is how many times as fast as the simulated GPU the simulator runs.
const speed = 50

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err) //nolint:forbidigo // a command's own process
		os.Exit(1)                            //nolint:forbidigo // a command's own process
	}
}

func run(ctx context.Context) error {
	serve := flag.Bool("serve", false, "be the simulator: print its address and serve until standard input ends (soak "+
		"starts it so itself)")
	duration := flag.Duration("for", 2*time.Hour, "how long to play; the run being played then is played to its end")
	var by load
	flag.IntVar(&by.users, "users", 0, "how many users play at the same time; 0: one, who does not think")
	file := flag.String("o", "", "write the page to this file, not to standard output")
	flag.Parse()
	if *serve {
		return serveSimulator(ctx, os.Stdout, os.Stdin) //nolint:forbidigo // a command's own process
	}
	seen, err := soak(ctx, by, *duration)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	grew := seen.page(&b)
	if *file == "" {
		_, err = os.Stdout.Write(b.Bytes()) //nolint:forbidigo // a command's own process
	} else {
		err = os.WriteFile(*file, b.Bytes(), 0o644)
	}
	return errors.Join(grew, err)
}

// serveSimulator prints the address of a simulator and serves until in ends.
func serveSimulator(ctx context.Context, out io.Writer, in io.Reader) error {
	handler, err := sim.New(sim.Config{Speed: speed,
		Faults: []sim.Fault{{Kind: "reset", Token: 5, Prompt: "harbour", Share: 0.01}}})
	if err != nil {
		return fmt.Errorf("making the simulator: %w", err)
	}
	defer handler.Close()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	fmt.Fprintln(out, l.Addr())
	crash.Go(func() {
		_, _ = io.Copy(io.Discard, in)
		l.Close()
	})
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
