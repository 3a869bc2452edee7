package event

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// streamed starts a stream to a writer.
func streamed(t *testing.T, w io.Writer, failed func(error)) (s *Stream, end func()) {
	t.Helper()
	s = NewStream(w, failed)
	done := make(chan struct{})
	go func() {
		s.Run()
		close(done)
	}()
	return s, func() {
		s.Close()
		<-done
	}
}

func created(t *testing.T, s *Stream) (j *Journal, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.CopyTo(s); err != nil {
		t.Fatal(err)
	}
	return j, path
}

func appended(t *testing.T, j *Journal, events ...Event) {
	t.Helper()
	for _, e := range events {
		if err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
}

// stuck is a writer that blocks until it is released.
type stuck struct {
	free chan struct{}
	got  bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	return s.got.Write(b)
}

// TestStream_OfWholeJournals: the copy equals the journals, byte for byte and one after another, whichever side is
// slow.
func TestStream_OfWholeJournals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		s, end := streamed(t, w, func(err error) { t.Error(err) })
		var want []byte
		for range 2 {
			j, path := created(t, s)
			appended(t, j, story()...)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, text...)
		}
		synctest.Wait()
		if w.got.Len() > 0 {
			t.Error("the reader was not slow")
		}
		close(w.free)
		end()
		if !bytes.Equal(w.got.Bytes(), want) {
			t.Errorf("%d bytes of %d were copied", w.got.Len(), len(want))
		}
	})
}

// TestStream_Live: a line arrives as soon as it is appended, and a continued journal is copied from its beginning.
func TestStream_Live(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		close(w.free)
		s, end := streamed(t, w, func(err error) { t.Error(err) })
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		j, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		all := story()
		appended(t, j, all[:2]...)
		if err := j.CopyTo(s); err != nil {
			t.Fatal(err)
		}
		for i, e := range all[2:] {
			appended(t, j, e)
			synctest.Wait()
			if n := bytes.Count(w.got.Bytes(), []byte("\n")); n != i+3 {
				t.Fatalf("%d lines, %d were appended", n, i+3)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		end()
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestStream_OfAReaderThatIsGone: the failure is reported once, and the journal is written as usual.
func TestStream_OfAReaderThatIsGone(t *testing.T) {
	var told []error
	s, end := streamed(t, broken{}, func(err error) { told = append(told, err) })
	j, path := created(t, s)
	appended(t, j, story()...)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	next, _ := created(t, s)
	appended(t, next, story()...)
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	end()
	if len(told) != 1 || !errors.Is(told[0], io.ErrClosedPipe) {
		t.Errorf("told %v", told)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for _, err := range Read(f) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(story()) {
		t.Errorf("the journal has %d events", n)
	}
}

// TestStream_OfAHalfLine: the rest of a failed write is not copied.
func TestStream_OfAHalfLine(t *testing.T) {
	var got bytes.Buffer
	s, end := streamed(t, &got, func(err error) { t.Error(err) })
	j, path := created(t, s)
	appended(t, j, story()[:2]...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.file.WriteString(`{"seq":3,"at_`); err != nil {
		t.Fatal(err)
	}
	j.err = errors.New("no space left on device")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	end()
	if !bytes.Equal(got.Bytes(), whole) {
		t.Errorf("%q was copied", got.Bytes())
	}
}
