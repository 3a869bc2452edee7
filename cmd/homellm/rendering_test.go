package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// A report that takes long says how far it is, and one that does not says nothing.
func TestRendering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tell, end := process{stderr: &out}.rendering("rendering json")
		tell(1, 40)
		if out.Len() > 0 {
			t.Errorf("told at once: %q", out.String())
		}
		time.Sleep(renderingPatience)
		tell(10, 40)
		tell(11, 40)
		end()
		if want := "homellm: rendering json: 25 %, 10 of 40 turns\n"; out.String() != want {
			t.Errorf("told %q, want %q", out.String(), want)
		}
		out.Reset()
		tell, end = process{stderr: &out, columns: 80}.rendering("rendering json")
		time.Sleep(renderingPatience)
		tell(40, 40)
		end()
		if want := repaint + "rendering json: 100 %, 40 of 40 turns" + repaint; out.String() != want {
			t.Errorf("painted %q, want %q", out.String(), want)
		}
	})
}
