//go:build fleet

// Fleet measures what a fleet costs: the broker in one process, its boxes in another with a connection each, and the
// coordinator with the journal and the fold of its run in this one.
//
//	go run -tags fleet ./bench/fleet                 the table of docs/fleet.md, on standard output
//	go run -tags fleet ./bench/fleet -boxes 500      another size
//	go run -tags fleet ./bench/fleet -profile FILE   and where the coordinator spends its time
//
// The boxes play nothing: they write journals at once, so that all the time there is belongs to the fleet. It exits
// with 1 if a figure misses its bound. Bounds are of processor time and memory, which are the same beside other
// programs.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"

	"homellm/engine/fleet/bus"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err) //nolint:forbidigo // a command's own process
		os.Exit(1)                             //nolint:forbidigo // a command's own process
	}
}

// size is how large the fleet and its runs are.
type size struct{ boxes, cells, events int }

func run(ctx context.Context) error {
	var s size
	flag.IntVar(&s.boxes, "boxes", 50, "boxes of the fleet")
	flag.IntVar(&s.cells, "cells", 1000, "cells of the first run")
	flag.IntVar(&s.events, "events", 200_000, "events of the second run, which has a tenth of the cells")
	part := flag.String("part", "", "be the broker or the boxes (bench starts them so itself)")
	dir := flag.String("dir", "", "with -part: folder of the broker")
	address := flag.String("address", "", "with -part: address of the broker")
	profile := flag.String("profile", "", "write where the coordinator spends its processor time to this file")
	flag.Parse()
	switch *part {
	case "broker":
		return broker(ctx, *address, *dir)
	case "boxes":
		return boxes(ctx, s, *dir)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return measure(ctx, os.Stdout, s) //nolint:forbidigo // a command's own process
}

// say is told what goes wrong meanwhile.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...) //nolint:forbidigo // a command's own process
}

// part is a process of the fleet. It ends when its input does, and says what it used.
type part struct {
	cmd  *exec.Cmd
	in   io.Closer
	said *json.Decoder
}

// begin starts a part, and waits until it is ready.
func begin(ctx context.Context, words ...string) (*part, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &part{cmd: exec.CommandContext(ctx, exe, words...)}
	p.cmd.Stderr = os.Stderr //nolint:forbidigo // a command's own process
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.said = in, json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	var ready used
	if err := p.said.Decode(&ready); err != nil {
		return nil, fmt.Errorf("%v did not begin: %w", words, err)
	}
	return p, nil
}

// end ends the part, and returns what it used.
func (p *part) end() (u used, err error) {
	_ = p.in.Close() // it waits for this
	err = p.said.Decode(&u)
	if ended := p.cmd.Wait(); err == nil {
		err = ended
	}
	return u, err
}

// tell says that a part is ready, waits for the end of its input, and says what it used.
func tell(ready used, last func() used) error {
	out := json.NewEncoder(os.Stdout) //nolint:forbidigo // a command's own process
	if err := out.Encode(ready); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin) //nolint:forbidigo // a command's own process; nothing comes, but its end
	return out.Encode(last())
}

// broker is the process of the broker.
func broker(ctx context.Context, address, dir string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var told error
	err := bus.Broker{Listen: address, Store: bus.Store{Dir: dir}, Warn: say}.Serve(ctx, func(string) {
		told = tell(used{}, usedNow)
		stop()
	})
	if told != nil {
		return told
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// dial connects with one of the first keys of the broker.
func dial(ctx context.Context, dir string, role bus.Role) (*bus.Conn, error) {
	key, err := bus.ReadKey(filepath.Join(dir, string(role)+".key"))
	if err != nil {
		return nil, err
	}
	return bus.Dial(ctx, "", key, say)
}

// free is an address of this machine at which nobody listens.
func free(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
