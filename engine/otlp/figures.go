package otlp

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"homellm/engine/compare"
	"homellm/engine/history"
	"homellm/engine/metrics"
)

// figures are the metrics of a run: the histograms of the conventions over its measured turns, and a gauge for each
// figure that homellm gates, under its name in homellm explain. Unknown figures are left out.
func figures(about message, run *metrics.Run, now time.Time) message {
	turns := newTurns()
	var names []string // of the gauges, in order of appearance
	gauges := map[string]*gauge{}
	set := func(name, unit, doc string, value float64, of []attribute) {
		g, ok := gauges[name]
		if !ok {
			g = &gauge{unit: unit, doc: doc}
			gauges[name], names = g, append(names, name)
		}
		g.add(now, value, of)
	}
	for _, c := range run.Cells {
		turns.record(c)
		measured := history.Run{Figures: compare.Kept(c)}
		for _, path := range slices.Sorted(maps.Keys(measured.Figures)) {
			d, ok := metrics.OfPath(path)
			value, known := measured.Value(path).Number()
			if !ok || !known {
				continue
			}
			scope, name, _ := strings.Cut(strings.TrimSuffix(path, "."+d.Name), ".")
			of := append(where(c), textAttribute("homellm.scope", scope), textAttribute("homellm.name", name))
			set(d.Name, units[d.Unit], d.Doc, value, of)
		}
	}
	_, code, _ := run.Outcome()
	set("exit_code", "1", "exit code of the run: 0 is a pass", float64(code), nil)
	var all []message
	for _, h := range []*histogram{turns.duration, turns.first, turns.tokens} {
		if len(h.points) > 0 {
			all = append(all, h.message(run.Started.Started, now))
		}
	}
	for _, name := range names {
		all = append(all, gauges[name].message("homellm."+name))
	}
	return request(about, all...)
}

// units are homellm's units, as UCUM writes them.
var units = map[string]string{"ms": "ms", "s": "s", "ratio": "1", "tokens": "{token}", "tokens/s": "{token}/s"}

// metric writes the head of a metric.
func metric(name, unit, doc string) (out message) {
	out.text(metricName, name)
	out.text(metricDescription, doc)
	out.text(metricUnit, unit)
	return out
}

// gauge is one figure, with a point for each set of attributes.
type gauge struct {
	unit, doc string
	points    message
}

func (g *gauge) add(at time.Time, value float64, of []attribute) {
	var point message
	point.attributes(numberAttributes, of)
	point.fixed64(numberTime, uint64(at.UnixNano()))
	point.double(numberDouble, value)
	g.points.bytes(gaugePoints, point)
}

func (g *gauge) message(name string) message {
	out := metric(name, g.unit, g.doc)
	out.bytes(metricGauge, g.points)
	return out
}

// histogram counts values by size, separately for each set of attributes.
type histogram struct {
	name, unit, doc string
	bounds          []float64
	points          map[string]*point // by their encoded attributes
}

// point sums up the values with one set of attributes.
type point struct {
	buckets       []uint64
	count         uint64
	sum, min, max float64
}

func newHistogram(name, unit, doc string, bounds ...float64) *histogram {
	return &histogram{name, unit, doc, bounds, map[string]*point{}}
}

func (h *histogram) record(value float64, of ...attribute) {
	var written message
	written.attributes(pointAttributes, of)
	p, ok := h.points[string(written)]
	if !ok {
		p = &point{buckets: make([]uint64, len(h.bounds)+1), min: value, max: value}
		h.points[string(written)] = p
	}
	bucket, _ := slices.BinarySearch(h.bounds, value) // a bound belongs to the bucket below it
	p.buckets[bucket]++
	p.count++
	p.sum, p.min, p.max = p.sum+value, min(p.min, value), max(p.max, value)
}

func (h *histogram) message(start, now time.Time) message {
	var bounds []byte
	for _, b := range h.bounds {
		bounds = protowire.AppendFixed64(bounds, math.Float64bits(b))
	}
	var data message
	for _, attributes := range slices.Sorted(maps.Keys(h.points)) {
		p, one := h.points[attributes], message(attributes)
		var buckets []byte
		for _, n := range p.buckets {
			buckets = protowire.AppendFixed64(buckets, n)
		}
		one.fixed64(pointStart, uint64(start.UnixNano()))
		one.fixed64(pointTime, uint64(now.UnixNano()))
		one.fixed64(pointCount, p.count)
		one.double(pointSum, p.sum)
		one.bytes(pointBuckets, buckets)
		one.bytes(pointBounds, bounds)
		one.double(pointMin, p.min)
		one.double(pointMax, p.max)
		data.bytes(histogramPoints, one)
	}
	data.whole(histogramTemporality, cumulative)
	out := metric(h.name, h.unit, h.doc)
	out.bytes(metricHistogram, data)
	return out
}

const cumulative = 2 // AggregationTemporality

// turns are the histograms that the conventions define for a client's requests, with the bucket boundaries that they
// recommend.
type turns struct{ duration, first, tokens *histogram }

func newTurns() turns {
	seconds := []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	return turns{
		newHistogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", seconds...),
		newHistogram("gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk, measured from "+
			"when the client issues the generation request to when the first chunk is received in the response stream.",
			seconds...),
		newHistogram("gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.",
			1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
	}
}

// record adds the measured turns of a cell.
func (t turns) record(c *metrics.Cell) {
	if c.Started == nil {
		return
	}
	for _, q := range c.Measured(metrics.Group{}) {
		of := append(where(c), textAttribute("homellm.step", q.Step))
		if q.Err != nil {
			t.duration.record((q.Done - begun(q)).Seconds(), append(of, textAttribute(errorType, q.Err.Class))...)
			continue
		}
		t.duration.record((q.Done - begun(q)).Seconds(), of...)
		if q.FirstEvent != nil {
			t.first.record((*q.FirstEvent - begun(q)).Seconds(), of...)
		}
		if n := q.Usage.Prompt; n != nil {
			t.tokens.record(float64(*n), append(of, textAttribute(tokenType, tokenTypeInput))...)
		}
		if n := q.Usage.Completion; n != nil {
			t.tokens.record(float64(*n), append(of, textAttribute(tokenType, tokenTypeOutput))...)
		}
	}
}
