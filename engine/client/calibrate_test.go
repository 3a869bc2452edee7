package client_test

import (
	"context"
	"testing"
	"time"

	"homellm/engine/client"
)

// TestCalibrate checks that the figures are those of a machine, not their exact size: other
// programs run on it.
func TestCalibrate(t *testing.T) {
	begin := time.Now()
	f, err := client.Calibrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v, CPU per chunk %v", f, f.CPUPerChunk)
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if f.Requests < 3 || f.Chunks != 8*f.Requests {
		t.Errorf("%d chunks in %d requests", f.Chunks, f.Requests)
	}
	if f.TTFTp50 <= 0 || f.TTFTp50 > f.TTFTp99 || f.TTFTp99 > time.Second || f.TimerP99 <= 0 {
		t.Errorf("%+v", f)
	}
	if f.CPUPerChunk != nil && (*f.CPUPerChunk <= 0 || *f.CPUPerChunk > 100*time.Millisecond) {
		t.Errorf("CPU per chunk %v", *f.CPUPerChunk)
	}
}

func TestCalibrateInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := client.Calibrate(ctx); err == nil {
		t.Errorf("%+v from a run that was interrupted", f)
	}
}
