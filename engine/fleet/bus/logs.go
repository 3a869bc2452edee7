//go:build fleet

package bus

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"homellm/engine/fleet"
)

// The logs of the servers that were started for a job travel if the operator asks for them: their ends, as why a server
// failed is there.
const (
	logEnd   = 512 << 10 // bytes of a log; as text of JSON they fit into a message
	mostLogs = 16        // of a job: a server that dies again and again has many
)

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
