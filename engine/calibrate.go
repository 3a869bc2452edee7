package engine

import (
	"context"
	"time"

	"homellm/engine/client"
	"homellm/engine/event"
)

// calibrate measures the client before anything else, so that a report can say which differences may come from the
// client.
func calibrate(ctx context.Context, measure Calibrator, out *collector) {
	if measure == nil {
		return
	}
	floor, err := measure(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		out.emit("", event.Note{Code: "uncalibrated", Text: err.Error()})
		return
	}
	values := map[string]float64{
		"client.ttft_bias_p50_ms":   event.Milliseconds(floor.TTFTp50),
		"client.ttft_bias_p99_ms":   event.Milliseconds(floor.TTFTp99),
		"client.timer_error_p99_ms": event.Milliseconds(floor.TimerP99),
	}
	if floor.CPUPerChunk != nil {
		values["client.cpu_per_chunk_us"] = float64(*floor.CPUPerChunk) / float64(time.Microsecond)
	}
	out.emit("", event.Facts{Values: values, Source: "calibration"})
}

// Calibrator measures the client on this machine; see [client.Calibrate].
type Calibrator func(context.Context) (client.Floor, error)
