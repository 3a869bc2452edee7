package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"homellm/engine/crash"
)

// smiFields are the requested fields, in order. The field of throttle reasons was renamed, and an unknown field makes
// the whole query fail.
var smiFields = []string{
	"index", "utilization.gpu", "memory.used", "power.draw", "temperature.gpu", "clocks.sm", "clocks.mem",
	"name", "driver_version", "memory.total", "enforced.power.limit", "pcie.link.gen.current", "pcie.link.width.current",
}

// smiReasons are the names of the last field, the newest first; empty: not requested.
var smiReasons = []string{"clocks_event_reasons.active", "clocks_throttle_reasons.active", ""}

// smiStart bounds the first call, which wakes a sleeping card.
const smiStart = 10 * time.Second

// smi reads a long-lived nvidia-smi: starting one for every sample would cost more than the load that is measured.
type smi struct {
	done   chan struct{}
	period time.Duration

	mu    sync.Mutex
	rows  map[int]smiRow
	ended error
}

type smiRow struct {
	at      time.Time
	reading gpuReading
	facts   GPU
}

// openSMI starts nvidia-smi, where there is one.
func openSMI(ctx context.Context, o Options) (*gpus, error) {
	command := o.NvidiaSMI
	if command == "" {
		command = "nvidia-smi"
	}
	path, err := exec.LookPath(command)
	if err != nil {
		return nil, errNoGPU
	}
	fields, first, err := smiQuery(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &smi{done: make(chan struct{}), period: o.every(), rows: first}
	// The stream continues until close, not until the context of opening ends.
	streaming, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(
		streaming,
		path,
		"--query-gpu="+fields,
		"--format=csv,noheader,nounits",
		"-lms",
		strconv.FormatInt(s.period.Milliseconds(), 10),
	)
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting its stream: %w", err)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("starting its stream: %w", err)
	}
	crash.Go(func() {
		defer close(s.done)
		s.follow(out)
		err := cmd.Wait()
		s.mu.Lock()
		s.ended = fmt.Errorf("its stream ended: %w", errors.Join(err, io.EOF))
		s.mu.Unlock()
	})
	return &gpus{
		read:  s.read,
		facts: s.facts,
		processes: func(ctx context.Context) ([]GPUProcess, bool) {
			return smiProcesses(ctx, path)
		},
		close: func() { cancel(); <-s.done },
	}, nil
}

// smiQuery makes one query, to find out which fields this version knows.
func smiQuery(ctx context.Context, path string) (fields string, rows map[int]smiRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, smiStart)
	defer cancel()
	for _, last := range smiReasons {
		fields = strings.Join(smiFields, ",")
		if last != "" {
			fields += "," + last
		}
		var out []byte
		cmd := exec.CommandContext(ctx, path, "--query-gpu="+fields, "--format=csv,noheader,nounits")
		cmd.WaitDelay = time.Second
		out, err = cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, firstLine(out))
			if bytes.Contains(out, []byte("not a valid field")) {
				continue
			}
			return "", nil, err
		}
		rows = map[int]smiRow{}
		for line := range strings.Lines(string(out)) {
			if index, row, ok := parseSMI(line); ok {
				rows[index] = row
			}
		}
		if len(rows) == 0 {
			return "", nil, fmt.Errorf("it lists no GPU: %s", firstLine(out))
		}
		return fields, rows, nil
	}
	return "", nil, err
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// follow keeps the last row of each GPU.
func (s *smi) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		index, row, ok := parseSMI(lines.Text())
		if !ok {
			continue
		}
		s.mu.Lock()
		s.rows[index] = row
		s.mu.Unlock()
	}
}

// stale is the greatest age of a row: a stream that hangs must not look like a GPU that does not change.
func (s *smi) stale() time.Duration { return max(5*s.period, 2*time.Second) }

func (s *smi) read() ([]gpuReading, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil, s.ended
	}
	all := make([]gpuReading, 0, len(s.rows))
	for index := range len(s.rows) {
		row, ok := s.rows[index]
		if !ok || time.Since(row.at) > s.stale() {
			return nil, fmt.Errorf("it has said nothing of GPU %d for %v", index, s.stale())
		}
		all = append(all, row.reading)
	}
	return all, nil
}

func (s *smi) facts() []GPU {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []GPU
	for index := range len(s.rows) {
		all = append(all, s.rows[index].facts)
	}
	return all
}

// parseSMI reads one line. Values that nvidia-smi does not know are in brackets or N/A.
func parseSMI(line string) (index int, row smiRow, ok bool) {
	cells := strings.Split(line, ",")
	if len(cells) < len(smiFields) {
		return 0, smiRow{}, false
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	index, err := strconv.Atoi(cells[0])
	if err != nil {
		return 0, smiRow{}, false
	}
	num := func(i int) float64 {
		v, err := strconv.ParseFloat(cells[i], 64)
		if err != nil || math.IsInf(v, 0) {
			return math.NaN()
		}
		return v
	}
	told := func(v float64) float64 {
		if math.IsNaN(v) {
			return 0 // GPU uses 0 for unknown
		}
		return v
	}
	r := unread()
	r.util, r.memUsed, r.power, r.temp, r.smClock, r.memClock = num(1), num(2)*(1<<20), num(3), num(4), num(5), num(6)
	if len(cells) > len(smiFields) {
		if mask, err := strconv.ParseUint(cells[len(smiFields)], 0, 64); err == nil {
			r.reasons = float64(mask)
		}
	}
	g := GPU{Vendor: "NVIDIA", Name: cells[7], Driver: cells[8], MemoryMiB: told(num(9)), PowerLimitW: told(num(10))}
	g.FreeMiB = told(num(9) - num(2))
	if gen, width := num(11), num(12); !math.IsNaN(gen) && !math.IsNaN(width) {
		g.PCIe = fmt.Sprintf("gen %.0f x%.0f", gen, width)
	}
	if !math.IsNaN(r.reasons) {
		g.ThrottledNow, g.ThrottleSlows = throttleReasons(uint64(r.reasons)), throttled(r.reasons) == 1
	}
	return index, smiRow{at: time.Now(), reading: r, facts: g}, true
}

func smiProcesses(ctx context.Context, path string) ([]GPUProcess, bool) {
	ctx, cancel := context.WithTimeout(ctx, smiStart)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--query-compute-apps=pid,used_gpu_memory", "--format=csv,noheader,nounits")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, false
	}
	var all []GPUProcess
	for line := range strings.Lines(string(out)) {
		id, memory, ok := strings.Cut(line, ",")
		pid, err := strconv.Atoi(strings.TrimSpace(id))
		if !ok || err != nil {
			continue // such as "No running processes found"
		}
		p := GPUProcess{PID: pid, Command: commandName(pid)}
		if mib, err := strconv.ParseFloat(strings.TrimSpace(memory), 64); err == nil {
			p.MiB = &mib
		}
		all = append(all, p)
	}
	return all, true
}
