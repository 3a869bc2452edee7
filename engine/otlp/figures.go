package otlp

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/genaiconv"

	"homellm/engine/compare"
	"homellm/engine/history"
	"homellm/engine/metrics"
)

// figures are the run's: of the measured turns the histograms of the conventions, and a gauge for each figure that
// homellm gates, by the name that homellm explain knows. What is unknown is left out.
func figures(ctx context.Context, about *resource.Resource, run *metrics.Run) (*metricdata.ResourceMetrics, error) {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithResource(about), sdkmetric.WithReader(reader)).Meter("homellm")
	turns, err := newTurns(meter)
	if err != nil {
		return nil, err
	}
	gauges := map[string]metric.Float64Gauge{}
	set := func(name, unit, doc string, value float64, of []attribute.KeyValue) error {
		g, ok := gauges[name]
		if !ok {
			var err error
			if g, err = meter.Float64Gauge("homellm."+name, metric.WithUnit(unit), metric.WithDescription(doc)); err != nil {
				return err
			}
			gauges[name] = g
		}
		g.Record(ctx, value, metric.WithAttributes(of...))
		return nil
	}
	for _, c := range run.Cells {
		turns.record(ctx, c)
		measured := history.Run{Figures: compare.Kept(c)}
		for _, path := range slices.Sorted(maps.Keys(measured.Figures)) {
			d, ok := metrics.OfPath(path)
			value, known := measured.Value(path).Number()
			if !ok || !known {
				continue
			}
			scope, name, _ := strings.Cut(strings.TrimSuffix(path, "."+d.Name), ".")
			of := append(where(c), attribute.String("homellm.scope", scope), attribute.String("homellm.name", name))
			if err := set(d.Name, units[d.Unit], d.Doc, value, of); err != nil {
				return nil, err
			}
		}
	}
	_, code, _ := run.Outcome()
	if err := set("exit_code", "1", "exit code of the run: 0 is a pass", float64(code), nil); err != nil {
		return nil, err
	}
	var out metricdata.ResourceMetrics
	return &out, reader.Collect(ctx, &out)
}

// units are ours as UCUM writes them.
var units = map[string]string{"ms": "ms", "s": "s", "ratio": "1", "tokens": "{token}", "tokens/s": "{token}/s"}

// turns are the histograms that the conventions have for a client's requests, with the limits that they advise.
type turns struct {
	duration genaiconv.ClientOperationDuration
	first    genaiconv.ClientOperationTimeToFirstChunk
	tokens   genaiconv.ClientTokenUsage
}

func newTurns(meter metric.Meter) (t turns, err error) {
	seconds := metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24,
		20.48, 40.96, 81.92)
	if t.duration, err = genaiconv.NewClientOperationDuration(meter, seconds); err != nil {
		return t, err
	}
	if t.first, err = genaiconv.NewClientOperationTimeToFirstChunk(meter, seconds); err != nil {
		return t, err
	}
	t.tokens, err = genaiconv.NewClientTokenUsage(meter, metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096,
		16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864))
	return t, err
}

// record adds the measured turns of a cell.
func (t turns) record(ctx context.Context, c *metrics.Cell) {
	if c.Started == nil {
		return
	}
	provider := genaiconv.ProviderNameAttr(c.Started.Server.Engine)
	for _, q := range c.Measured(metrics.Group{}) {
		of := append(where(c), attribute.String("homellm.step", q.Step))
		if q.Err != nil {
			t.duration.Record(ctx, (q.Done - begun(q)).Seconds(), genaiconv.OperationNameChat, provider,
				append(of, semconv.ErrorTypeKey.String(q.Err.Class))...)
			continue
		}
		t.duration.Record(ctx, (q.Done - begun(q)).Seconds(), genaiconv.OperationNameChat, provider, of...)
		if q.FirstEvent != nil {
			t.first.Record(ctx, (*q.FirstEvent - begun(q)).Seconds(), genaiconv.OperationNameChat, provider, of...)
		}
		if n := q.Usage.Prompt; n != nil {
			t.tokens.Record(ctx, int64(*n), genaiconv.OperationNameChat, provider, genaiconv.TokenTypeInput, of...)
		}
		if n := q.Usage.Completion; n != nil {
			t.tokens.Record(ctx, int64(*n), genaiconv.OperationNameChat, provider, genaiconv.TokenTypeOutput, of...)
		}
	}
}
