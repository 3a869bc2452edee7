package host

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// tailLines is the number of log lines in an error.
const tailLines = 60

// logLimit limits how much of a log is read: the cause of a failed start is within its last mebibyte.
const logLimit = 1 << 20

// readLog reads the end of the process's log. An unreadable log counts as empty, because the error that it explains
// is more important.
func (p *Proc) readLog() []byte {
	file, err := os.Open(p.spec.Log)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > logLimit {
		if _, err := file.Seek(-logLimit, io.SeekEnd); err != nil {
			return nil
		}
	}
	log, err := io.ReadAll(io.LimitReader(file, logLimit))
	if err != nil {
		return nil
	}
	return log
}

func (p *Proc) lastLine() string {
	if lines := tail(p.readLog(), 1); len(lines) == 1 {
		return lines[0]
	}
	return ""
}

// tail is the last n lines with text. A progress bar rewrites its line with carriage returns; its last state counts.
func tail(log []byte, n int) []string {
	var lines []string
	for line := range bytes.Lines(log) {
		text := strings.TrimRight(string(line), "\r\n\t ")
		if i := strings.LastIndexByte(text, '\r'); i >= 0 {
			text = text[i+1:]
		}
		if text != "" {
			lines = append(lines, strings.ToValidUTF8(text, "�"))
		}
	}
	return lines[max(0, len(lines)-n):]
}

// ExitError says that a process ended unexpectedly.
type ExitError struct {
	Name     string
	Code     int           // exit code; -1 if a signal ended it
	Signal   string        // the signal that ended it; empty if it exited
	After    time.Duration // since its start
	WasReady bool          // it had become ready before
	Tail     []string      // the end of its log
	Log      string        // path of its log
	Diagnosis
}

// Error implements error. It is one line; the log's end is in Tail.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exited with code %d", e.Code)
	if e.Signal != "" {
		how = "was ended by a signal (" + e.Signal + ")"
	}
	when := "before it was ready"
	if e.WasReady {
		when = "while it was in use"
	}
	text := fmt.Sprintf("%s %s %s, %v after its start", e.Name, how, when, e.After.Round(time.Millisecond))
	switch {
	case e.Line != "":
		text += ": " + e.Line
	case len(e.Tail) > 0:
		text += ": " + e.Tail[len(e.Tail)-1]
	default:
		text += "; it wrote nothing"
	}
	return text
}

// Hint is what to do about it.
func (e *ExitError) Hint() string {
	if e.Fix != "" {
		return e.Fix
	}
	if e.Code == 137 || e.Signal == "killed" {
		return "SIGKILL came from outside: the kernel's out-of-memory killer is the usual one; look at: dmesg | tail"
	}
	return "its whole log is " + e.Log
}

// NotReadyError says that a process is running and did not become ready.
type NotReadyError struct {
	Name  string
	After time.Duration
	Last  error // what was still missing
	Tail  []string
	Log   string
	Diagnosis
}

// Error implements error.
func (e *NotReadyError) Error() string {
	text := fmt.Sprintf("%s was not ready after %v: %v", e.Name, e.After.Round(time.Millisecond), e.Last)
	if e.Line != "" {
		text += " (its log says: " + e.Line + ")"
	}
	return text
}

// Unwrap returns what was still missing.
func (e *NotReadyError) Unwrap() error { return e.Last }

// Hint is what to do about it.
func (e *NotReadyError) Hint() string {
	if e.Fix != "" {
		return e.Fix
	}
	return "if it only needs longer, raise startup.timeout in the profile; its whole log is " + e.Log
}
