package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"homellm/engine/replace"
	"homellm/engine/secret"
)

// writeFile writes a file completely or not at all, and replaces an older one. Anything but a regular file, such as a
// link, a pipe or /dev/stderr, is written to instead of replaced.
func writeFile(path string, unmasked func(io.Writer) error) error {
	write := func(w io.Writer) error {
		m := secret.NewWriter(w)
		return errors.Join(unmasked(m), m.Close())
	}
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		return errors.New("it is a folder")
	}
	if err == nil && !info.Mode().IsRegular() {
		how := os.O_WRONLY | os.O_TRUNC
		if strings.HasPrefix(filepath.Clean(path), "/dev/") || strings.HasPrefix(filepath.Clean(path), "/proc/") {
			how = os.O_WRONLY | os.O_APPEND // a log that other programs write to
		}
		f, err := os.OpenFile(path, how, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replace.File(path, write)
}

// summaryLimit is GitHub's limit for the summary of a step.
const summaryLimit = 1 << 20

// appendSummary adds a report to the summary of a step. A report that does not fit is replaced by a note, because
// GitHub rejects a summary that is too long.
func appendSummary(path, verdict string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	b.WriteByte('\n')
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	room := summaryLimit
	if info, err := f.Stat(); err == nil {
		room -= int(info.Size())
	}
	if b.Len() > room-200 {
		b.Reset()
		fmt.Fprintf(
			&b,
			"## %s\n\nThe report is too long for a summary: see report.md in the results folder.\n\n",
			strings.ToUpper(verdict),
		)
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Close())
}
