package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"homellm/engine/client/goldentest"
	"homellm/engine/crash"
)

// serveGolden prints the address of a golden server and serves until standard input ends.
func serveGolden(ctx context.Context, out io.Writer, pace goldentest.Pace) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	fmt.Fprintln(out, l.Addr())
	crash.Go(func() {
		_, _ = io.Copy(io.Discard, os.Stdin) //nolint:forbidigo // a command's own process
		l.Close()
	})
	return goldentest.New(pace).Serve(l)
}

// golden is a golden server in a separate process, so that its cost is not counted as the client's.
type golden struct {
	base  string
	in    io.Closer
	child *exec.Cmd
}

func startGolden(ctx context.Context, pace goldentest.Pace) (*golden, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting the golden server: %w", err)
	}
	child := exec.CommandContext(ctx, exe, "-serve",
		"-first", pace.First.String(), "-gap", pace.Gap.String(), "-tokens", strconv.Itoa(pace.Tokens))
	in, err := child.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the golden server: %w", err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the golden server: %w", err)
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("starting the golden server: %w", err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("starting the golden server: it said nothing: %w", err)
	}
	return &golden{base: "http://" + strings.TrimSpace(addr), in: in, child: child}, nil
}

func (g *golden) stop() {
	g.in.Close()
	_ = g.child.Wait()
}

// truths returns when the tokens of each reply for an id were written, counted from the arrival of its request.
func (g *golden) truths(ctx context.Context, id string) ([][]time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/truth/"+id, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking for the truth: %w", err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking for the truth: %w", err)
	}
	defer resp.Body.Close()
	var offsets [][]time.Duration
	if err := json.NewDecoder(resp.Body).Decode(&offsets); err != nil {
		return nil, fmt.Errorf("reading the truth of %s: %w", id, err)
	}
	return offsets, nil
}

// machine says where a table was measured.
func machine() string {
	return fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}
