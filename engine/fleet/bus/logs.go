//go:build fleet

package bus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"homellm/engine/exit"
	"homellm/engine/fleet"
)

// The logs of the servers that were started for a job travel if the operator asks for them: their ends, as why a server
// failed is there.
const (
	logEnd   = 512 << 10 // bytes of a log; as text of JSON they fit into a message
	mostLogs = 16        // of a job: a server that dies again and again has many
)

// sendLogs sends the ends of the logs that the play of a job left beside its journal, where known secrets are stars.
func (t *taken) sendLogs(ctx context.Context) error {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(Journal(t.dir)), "server-*.log")) // the pattern is a good one
	slices.Sort(found)
	for _, path := range found[max(0, len(found)-mostLogs):] {
		l, err := endOfLog(path)
		if err == nil {
			err = t.publish(ctx, kindLog, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endOfLog reads the end of a log, from the beginning of a line.
func endOfLog(path string) (l fleet.ServerLog, err error) {
	l.Name = filepath.Base(path)
	f, err := os.Open(path)
	if err != nil {
		return l, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return l, err
	}
	l.Cut = max(0, info.Size()-logEnd)
	if l.Data, err = io.ReadAll(io.NewSectionReader(f, l.Cut, logEnd)); err != nil || l.Cut == 0 {
		return l, err
	}
	if i := bytes.IndexByte(l.Data, '\n') + 1; i < len(l.Data) {
		l.Cut, l.Data = l.Cut+int64(i), l.Data[i:]
	}
	return l, nil
}

// keepLog stores the log of a server of a box beside the journal of the run.
func (p play) keepLog(l fleet.ServerLog) error {
	if p.ServerLog == nil {
		return nil
	}
	name := fmt.Sprintf("server-%s-%s-%s.log", inFile(l.Name), p.attempt.Box.Name, p.job.ID)
	if l.Cut > 0 {
		l.Data = fmt.Appendf(nil, "(box %s left out the first %d bytes of this log)\n%s", p.attempt.Box.Name, l.Cut, l.Data)
	}
	if err := p.ServerLog(name, l.Data); err != nil {
		return exit.Errorf(exit.Environment, "", "keeping the log of a server of box %s: %w", p.attempt.Box.Name, err)
	}
	return nil
}

// inFile is what the name of a log says of its server, as a part of a file's name: it comes from elsewhere.
func inFile(name string) string {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "server-"), ".log")
	name = strings.Map(func(r rune) rune {
		if word.MatchString(string(r)) || strings.ContainsRune(".+=,", r) {
			return r
		}
		return '-'
	}, name)
	return name[:min(len(name), 100)]
}
