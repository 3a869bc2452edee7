package otlp

import (
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields in use, by the messages of opentelemetry-proto that have them. The generated types would
// bring gRPC and reflection, which take more memory than the rest of homellm; the tests read with them what is written
// here.
const (
	requestResources = 1 // ExportTraceServiceRequest, ExportMetricsServiceRequest

	resourceOf     = 1 // ResourceSpans, ResourceMetrics
	resourceScopes = 2
	resourceSchema = 3

	resourceAttributes = 1 // Resource

	scopeOf    = 1 // ScopeSpans, ScopeMetrics
	scopeItems = 2

	scopeName = 1 // InstrumentationScope

	spanTrace      = 1 // Span
	spanID         = 2
	spanParent     = 4
	spanName       = 5
	spanKind       = 6
	spanStart      = 7
	spanEnd        = 8
	spanAttributes = 9
	spanStatus     = 15
	spanFlags      = 16

	statusMessage = 2 // Status
	statusCode    = 3

	metricName        = 1 // Metric
	metricDescription = 2
	metricUnit        = 3
	metricGauge       = 5
	metricHistogram   = 9

	gaugePoints = 1 // Gauge

	numberTime       = 3 // NumberDataPoint
	numberDouble     = 4
	numberAttributes = 7

	histogramPoints      = 1 // Histogram
	histogramTemporality = 2

	pointStart      = 2 // HistogramDataPoint
	pointTime       = 3
	pointCount      = 4
	pointSum        = 5
	pointBuckets    = 6
	pointBounds     = 7
	pointAttributes = 9
	pointMin        = 11
	pointMax        = 12

	pairKey   = 1 // KeyValue
	pairValue = 2

	valueText   = 1 // AnyValue
	valueBool   = 2
	valueInt    = 3
	valueDouble = 4
	valueArray  = 5

	arrayValues = 1 // ArrayValue

	responsePartial = 1 // ExportTraceServiceResponse, ExportMetricsServiceResponse
	partialRejected = 1 // ExportTracePartialSuccess, ExportMetricsPartialSuccess
	partialMessage  = 2
	failureMessage  = 2 // google.rpc.Status
)

// message is a message of Protocol Buffers that is being written.
type message []byte

func (m *message) whole(field protowire.Number, v uint64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), v)
}

func (m *message) fixed64(field protowire.Number, v uint64) {
	*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), v)
}

func (m *message) double(field protowire.Number, v float64) { m.fixed64(field, math.Float64bits(v)) }

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

// text writes a string as UTF-8, because readers reject anything else.
func (m *message) text(field protowire.Number, v string) {
	m.bytes(field, []byte(strings.ToValidUTF8(v, "\uFFFD")))
}

// request is the request for one signal: spans or metrics, and the resource that they describe.
func request(about message, items ...message) message {
	var scope, scoped, of, out message
	scope.text(scopeName, "homellm")
	scoped.bytes(scopeOf, scope)
	for _, item := range items {
		scoped.bytes(scopeItems, item)
	}
	of.bytes(resourceOf, about)
	of.bytes(resourceScopes, scoped)
	of.text(resourceSchema, schemaURL)
	out.bytes(requestResources, of)
	return out
}

// read calls take for each field of a message that holds a number or bytes, until the message ends or is malformed.
func read(b []byte, take func(field protowire.Number, number uint64, bytes []byte)) {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		b = b[n:]
		var number uint64
		var value []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(b)
		default:
			if n = protowire.ConsumeFieldValue(field, kind, b); n >= 0 {
				b = b[n:]
				continue
			}
		}
		if n < 0 {
			return
		}
		take(field, number, value)
		b = b[n:]
	}
}
